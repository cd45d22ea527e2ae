"""What the criteria hold: within --memory however many examples there are, or a sentence that names the least."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import command, surroundings
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.runs.shelf import Shelf
from pruning_oracle.criteria.criterion import choose_criteria, needs_of
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.room import Room, least_bytes, room_for

WIDE = """
import torch
from torch import nn
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from torch.utils.data import TensorDataset

@case
def wide(seed):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 128, 3), nn.ReLU(), nn.Conv2d(128, 128, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 3)]
    data = TensorDataset(torch.randn(3000, 1, 6, 6), torch.arange(3000) % 3)
    return assemble(nn.Sequential(*layers).eval(), data, data, examples=1500)
"""
PEAK = """
import sys
import scipy.stats
from pruning_oracle.bench.network import memory
from pruning_oracle.criteria.__main__ import main

main(["wide.py", "--criteria", "quick", "--examples", "9", "--out", "warm"])
memory.forget_peak(memory.torch.device("cpu"))
before = memory.peak(memory.torch.device("cpu"))
main(["wide.py", "--criteria", "quick", "--examples", sys.argv[1], "--memory", "40MiB", "--out", "out"])
print(memory.peak(memory.torch.device("cpu")) - before)
"""
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")


@linux
@pytest.mark.parametrize("examples", [200, 1500])
def test_the_command_holds_its_limit_however_many_examples_there_are(tmp_path, examples):
    """1,500 examples' evidence and scores take more than 90 MB."""
    (tmp_path / "wide.py").write_text(WIDE)
    words = [sys.executable, "-W", "ignore", "-c", PEAK, str(examples)]
    done = subprocess.run(
        words, env=surroundings(CUDA_VISIBLE_DEVICES=""), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.splitlines()[-1]) < 40 * 2**20
    assert len(runs.load(tmp_path / "out", "criteria").arrays["shared/taylor/0"]) == examples


def test_too_little_memory_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "wide.py").write_text(WIDE)
    done = command("criteria", "wide.py", "--criteria", "quick", "--memory", "1MiB", folder=tmp_path)
    assert done.returncode == 2
    assert "error: --memory is 1MiB; wide: scoring 1,500 examples by these criteria takes at least " in done.stderr
    assert not (tmp_path / "runs").exists()
    least = done.stderr.split()[-1]
    assert memory.parse(least) > 2**20
    done = command("criteria", "wide.py", "--criteria", "quick", "--examples", "9", "--memory", least, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_what_nobody_asked_for_is_said_and_taken(capsys):
    memory.check_least(2**30, False, 3 * 2**30 + 1, "case: this")
    assert capsys.readouterr().out == "case: this takes at least 3073MiB, more than the usual 1024MiB\n"
    memory.check_least(2**30, True, 2**30, "case: this")
    with pytest.raises(BadInput, match=r"--memory is 1024MiB; case: this takes at least 1025MiB"):
        memory.check_least(2**30, True, 2**30 + 1, "case: this")


def test_little_room_changes_no_score():
    """Passes of one example, and statistics in a file, give what one pass of all examples gives."""
    case, chosen = toy_case("plain"), choose_criteria([])
    needs = needs_of(chosen) - frozenset(unavailable(case, needs_of(chosen)))
    whole = collect(case, range(12), 12, needs, "test")
    room, shelf = Room(1, 0, memory.activations(case)), Shelf(0)
    little = collect(case, range(12), 12, needs, "test", room=room, shelf=shelf)
    assert room.size(12, 3.0) == 1
    assert shelf.file is not None
    for site, seen in whole.items():
        for name, values in seen.statistics.items():
            torch.testing.assert_close(little[site].statistics[name], values, rtol=1e-8, atol=1e-10)


def test_room_grows_with_memory():
    case, needs = toy_case("plain"), frozenset({"gate_grad"})
    each = memory.activations(case)
    least = least_bytes(case, needs, 12, each)
    sizes = [room_for(case, needs, 12, held).size(128, 3.0) for held in (1, least, least + 30 * each, 2**40)]
    assert sizes == [1, 1, 4, 128]


@pytest.mark.parametrize("room", [0, 100, 10**9])
def test_a_shelf_gives_back_what_it_was_given(tmp_path, room):
    shelf, random = Shelf(room, tmp_path / "made"), np.random.default_rng(0)
    parts = {name: [random.normal(size=(rows, 3)) for rows in (2, 1, 4)] for name in ("a", "b")}
    for place in range(3):
        for name, own in parts.items():
            shelf.add(name, own[place])
    shelf.add("rows", np.arange(5))
    shelf.add("flag", np.asfortranarray(random.normal(size=(4, 3)) > 0))
    assert list(shelf) == ["a", "b", "rows", "flag"]
    for name, own in parts.items():
        assert np.array_equal(shelf[name], np.concatenate(own))
    assert shelf["rows"].tolist() == list(range(5))
    runs.save(tmp_path / "file", "test", shelf, {})
    found = runs.load(tmp_path / "file", "test").arrays
    assert all(np.array_equal(found[name], shelf[name]) for name in shelf)
    assert found["flag"].dtype == bool
    assert not list((tmp_path / "made").iterdir()) if room < 10**9 else not (tmp_path / "made").exists()
