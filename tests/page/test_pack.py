"""The page's block of data gives back what was packed, and its checksum is that of the bytes."""

import base64
import hashlib

import numpy as np
import pytest

from pruning_oracle.reports.page.content.pack import pack, unpack


def test_facts_and_columns_come_back():
    random = np.random.default_rng(0)
    columns = {
        "score": random.normal(size=(3, 4, 2)) * 10.0 ** random.integers(-20, 20, (3, 4, 2)),
        "count": random.integers(-5, 2**30, (7, 1)),
        "special": np.array([np.nan, np.inf, -np.inf, 0.0]),
        "none": np.empty((0, 3)),
    }
    facts = {"name": "</script>π", "undefined": None}
    block, sha256 = pack(facts, columns)
    said, found = unpack(block)
    assert said == facts
    assert list(found) == list(columns)
    for name, values in columns.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-5)
    assert np.array_equal(found["count"], columns["count"])
    assert sha256 == hashlib.sha256(base64.b64decode(block)).hexdigest()


def test_the_same_data_are_the_same_block():
    columns = {"a": np.arange(5.0)}
    assert pack({"x": 1}, columns) == pack({"x": 1}, columns)


def test_an_undefined_fact_must_be_none():
    with pytest.raises(ValueError, match="JSON"):
        pack({"x": float("nan")}, {})
