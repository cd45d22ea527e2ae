"""`make gpu` writes its record after every part, keeps what was measured when time was up, and fails where a part fails."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from gpu import __main__ as command

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS / "support"), *filter(None, sys.path)]))
    monkeypatch.setenv("TQDM_DISABLE", "1")


def made(monkeypatch, folder, *words):
    monkeypatch.setattr(sys, "argv", ["make gpu", "--device", "cpu", "--tiny", "1", "--record", str(folder), *words])
    with pytest.raises(SystemExit) as done:
        command.main()
    return done.value.code, json.loads((folder / "gpu.json").read_text())


def test_a_part_is_measured_and_recorded(tmp_path, monkeypatch):
    status, record = made(monkeypatch, tmp_path, "--parts", "networks")
    part = record["parts"]["networks"]
    assert (status, part["ended"], record["tiny"]) == (0, "whole", True)
    assert {fact["way"] for fact in part["facts"][1:]} == {"literal", "replay", "one by one"}
    assert all(fact["largest difference to literal, nats"] < 0.05 for fact in part["facts"][1:])
    assert record["provenance"]["versions"]["torch"]


ENDLESS = """
import time

def facts(device, tiny):
    yield {"way": "the first"}
    time.sleep(600)
"""


def test_what_a_part_measured_before_its_time_was_up_is_kept(tmp_path, monkeypatch):
    """The part measures once and never ends: any other might end before its time is up."""
    shutil.copytree(TESTS / "gpu", tmp_path / "copy/gpu", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "copy/gpu/vgg16.py").write_text(ENDLESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "copy") + os.pathsep + os.environ["PYTHONPATH"])
    monkeypatch.setitem(command.PARTS, "vgg16", 12.0)
    monkeypatch.setitem(command.PARTS, "tests", 0.01)
    status, record = made(monkeypatch, tmp_path, "--parts", "tests", "vgg16")
    assert status == 0
    assert [part["ended"] for part in record["parts"].values()] == ["cut short", "cut short"]
    assert record["parts"]["tests"]["facts"] == []
    assert record["parts"]["vgg16"]["facts"][-1]["way"] == "the first"


def test_a_part_that_fails_is_named_and_the_rest_is_measured(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status, record = made(monkeypatch, tmp_path, "--parts", "pruning")
    assert status
    assert record["parts"]["pruning"]["ended"].startswith("failed")
    assert "pruning: failed" in capfd.readouterr().out
