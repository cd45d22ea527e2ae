"""Run files are atomic and checksummed, and what does not belong together is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.provenance import PACKAGES

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(3)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "deep" / "oracle.safetensors"
    runs.save(path, "oracle", ARRAYS, {"case": "toy", "seed": 0})
    return path


def test_what_is_saved_is_loaded(file):
    found = runs.load(file, "oracle")
    assert found.facts == {"case": "toy", "seed": 0}
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert np.array_equal(found.arrays[name], array)


def test_a_column_major_array_keeps_its_values(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    runs.save(tmp_path / "f", "oracle", {"a": array}, {})
    assert np.array_equal(runs.load(tmp_path / "f", "oracle").arrays["a"], array)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadInput, match="truncated or not a safetensors file"):
        runs.load(file, "oracle")


def test_an_altered_file_is_refused(file):
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match="was altered after it was written"):
        runs.load(file, "oracle")


def test_an_altered_fact_is_refused(file):
    content = file.read_bytes()
    file.write_bytes(content.replace(b'\\"seed\\": 0', b'\\"seed\\": 1'))
    assert file.read_bytes() != content
    with pytest.raises(BadInput, match="was altered after it was written"):
        runs.load(file, "oracle")


def test_a_foreign_file_is_refused(tmp_path, file):
    save_file({"a": np.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(BadInput, match="is not a oracle file of this suite"):
        runs.load(tmp_path / "foreign", "oracle")
    with pytest.raises(BadInput, match="is not a weights file of this suite"):
        runs.load(file, "weights")
    with pytest.raises(BadInput, match="no oracle file at"):
        runs.load(tmp_path / "missing", "oracle")


def test_an_interrupted_write_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()

    def stop(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        runs.save(file, "oracle", {"b": np.zeros(1000)}, {})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(file):
    with pytest.raises(BadInput, match=r"cannot write .*inside: (File exists|Not a directory)"):
        runs.write_atomically(file / "inside", "text", runs.run_file("oracle"))


def test_the_digest_sees_names_shapes_types_and_values():
    base = {"a": np.zeros((2, 3), np.float32)}
    others = [
        {"b": base["a"]},
        {"a": np.zeros((3, 2), np.float32)},
        {"a": np.zeros((2, 3), np.int32)},
        {"a": np.ones((2, 3), np.float32)},
    ]
    digests = {runs.digest(arrays) for arrays in [base, *others]}
    assert len(digests) == 5


def test_provenance_names_versions_commit_and_machine():
    facts = json.loads(json.dumps(runs.provenance()))
    assert set(PACKAGES) <= facts["versions"].keys()
    assert facts["commit"]
    assert facts["processor"]
    assert facts["when"].endswith("Z")


def test_no_run_file_holds_a_machine_path():
    for path in Path("bench/weights").glob("*.safetensors"):
        text = json.dumps(runs.load(path, "weights").facts)
        assert "/" not in text.replace("n/a", ""), f"{path} holds a path"
