"""Nothing that was measured is lost, and nothing that no longer holds is used again."""

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import CASE, command, surroundings
from toys import toy_case
from unfinished import unfinished

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure
from pruning_oracle.oracle.resume import Units

SMALL = ["oracle", "mine.py", "--batch", "2", "--examples", "6", "--device", "cpu"]


def interrupted(folder, seed):
    """Runs support/interrupted.py: how many were killed, how many of those had left something, and the result's digest."""
    where = surroundings()
    words = [
        sys.executable,
        str(Path(__file__).parents[1] / "support" / "interrupted.py"),
        str(folder / "oracle.safetensors"),
        str(seed),
    ]
    done = subprocess.run(words, env=where, capture_output=True, text=True, check=True, timeout=120)
    killed, went_on, status = map(int, done.stdout.split())
    assert status == 0, done.stderr
    left = [file for file in folder.iterdir() if not file.name.startswith(".oracle.safetensors.")]  # of a write that was killed
    assert left == [folder / "oracle.safetensors"]
    return killed, went_on, runs.digest(runs.load(folder / "oracle.safetensors", "oracle").arrays)


def test_killed_at_random_moments_the_result_is_bit_identical(tmp_path):
    results = [interrupted(tmp_path / str(seed), seed) for seed in range(6)]
    assert sum(killed for killed, _, _ in results) >= 12
    assert sum(went_on for _, went_on, _ in results) >= 6
    assert len({digest for _, _, digest in results}) == 1
    assert results[0][2] == interrupted(tmp_path / "whole", -1)[2]


def counted(case):
    """An engine that says which sites and how many examples it was asked for."""
    asked = []

    def engine(site, batch):
        asked.append((site.name, len(batch.labels)))
        return literal(case, site, batch)

    return engine, asked


def part_way(case, out, setting, stop):
    """Measures until the engine has been asked `stop` times, then fails."""

    def engine(site, batch):
        if engine.asked == stop:
            raise KeyboardInterrupt
        engine.asked += 1
        return literal(case, site, batch)

    engine.asked = 0
    with pytest.raises(KeyboardInterrupt), Units(out, setting).hold() as units:
        measure(case, engine, range(12), 5, units)


def test_only_what_is_missing_is_measured(tmp_path):
    case, out = toy_case("residual"), tmp_path / "oracle.safetensors"
    part_way(case, out, {"a": 1}, 5)
    engine, asked = counted(case)
    with Units(out, {"a": 1}).hold() as units:
        oracle = measure(case, engine, range(12), 5, units)
    assert asked == [("mix", 5), ("stem", 2), ("side", 2), ("mix", 2)]
    whole = measure(case, partial(literal, case), range(12), 5)
    assert all(torch.equal(oracle.changes[name], whole.changes[name]) for name in whole.changes)
    assert list(tmp_path.iterdir()) == []


def test_another_setting_or_network_measures_anew(tmp_path):
    case, out = toy_case("residual"), tmp_path / "oracle.safetensors"
    part_way(case, out, {"a": 1}, 5)
    engine, asked = counted(case)
    with unfinished(out, {"a": 2}) as units:
        measure(case, engine, range(12), 5, units)
    assert len(asked) == 9
    with torch.no_grad():
        case.model.get_submodule("stem").weight.mul_(1.1)  # a change that the setting does not show is seen in the losses
    with Units(out, {"a": 1}).hold() as units:
        measure(case, engine, range(12), 5, units)
    assert len(asked) == 18


@pytest.mark.parametrize("damage", ["cut", "altered", "foreign", "swapped"])
def test_a_damaged_unit_is_measured_again(tmp_path, damage, caplog):
    case, out = toy_case("residual"), tmp_path / "oracle.safetensors"
    part_way(case, out, {"a": 1}, 5)
    units = sorted((tmp_path / "oracle.units").glob("*/*.safetensors"))
    content = bytearray(units[0].read_bytes())
    if damage == "cut":
        units[0].write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        content[-1] ^= 1
        units[0].write_bytes(content)
    elif damage == "foreign":
        runs.save(units[0], "unit", {"change": np.zeros(3)}, {"setting": "another", "name": "0-0"})
    else:
        units[0].write_bytes(units[1].read_bytes())
    engine, asked = counted(case)
    with Units(out, {"a": 1}).hold() as found:
        oracle = measure(case, engine, range(12), 5, found)
    assert asked[0] == ("stem", 5)
    assert len(asked) == 5
    assert "measured again" in caplog.text
    whole = measure(case, partial(literal, case), range(12), 5)
    assert all(torch.equal(oracle.changes[name], whole.changes[name]) for name in whole.changes)


def test_what_was_chosen_is_chosen_again(tmp_path):
    case, out = toy_case("residual"), tmp_path / "oracle.safetensors"
    chosen = {"memory format": "contiguous", "stem": "linear step"}
    with unfinished(out, {}) as units:
        units.choices |= chosen
        units.put("0-0", {"change": np.zeros(1)})
    with Units(out, {}).hold() as units:
        assert units.choices == chosen
        engine = Replay(case, choices=units.choices)
        measure(case, engine, range(6), 6)
        assert engine.network.traced.format == "contiguous"
        assert engine.network.traced.plans[case.sites[0].name].taken == "linear step"
        assert set(units.choices) == {"memory format", "stem", "side", "mix"}


def test_what_a_run_left_that_was_killed_after_its_result_is_deleted(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    words = [*SMALL, "--out", "o.safetensors"]
    assert command(*words, folder=tmp_path).returncode == 0
    found = runs.load(tmp_path / "o.safetensors", "oracle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Units, "_delete", lambda units: None)
        (tmp_path / "o.safetensors").unlink()
        assert command(*words, folder=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("o.units/*/*.safetensors"))) == 3
    assert "is up to date" in command(*words, folder=tmp_path).stdout
    assert not list(tmp_path.glob("o.units"))
    assert runs.load(tmp_path / "o.safetensors", "oracle").arrays.keys() == found.arrays.keys()


def test_a_second_process_is_refused(tmp_path):
    out = tmp_path / "oracle.safetensors"
    with Units(out, {}).hold(), pytest.raises(BadInput, match=r"another process is measuring into .*units: wait"):
        Units(out, {"other": 1})._lock()
    with Units(out, {}).hold():
        pass


def limited():
    """No file may grow beyond 1.2 kB: what a full disk does, without one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    where = surroundings()
    where["PYTHONDONTWRITEBYTECODE"] = "1"  # Python would leave a module's cut short, which nobody could import again
    words = [sys.executable, "-m", *SMALL, "--examples", "8", "--out", "o.safetensors"]
    full = subprocess.run(words, cwd=tmp_path, env=where, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert full.returncode == 2
    assert full.stderr.splitlines()[-1] == "error: cannot write o.safetensors: File too large"
    assert "Traceback" not in full.stderr
    assert len(list(tmp_path.glob("o.units/*/*.safetensors"))) == 4
    again = command(*words[2:], folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "4 units of them found measured" in again.stderr
    assert "4 units of them found measured" in (tmp_path / "o.log").read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if "o." in path.name) == ["o.log", "o.safetensors"]
