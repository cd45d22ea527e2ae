"""Only nothing, and files of the suite's own kinds, are written over: whatever else lies at a place stays as it is."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import CASE, command
from unfinished import unfinished

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs import kinds
from pruning_oracle.bench.runs.kinds import LOG, PAGE, run_file

ORACLE = run_file("oracle")
FEW = ["--updates", "1", "--remove", "1", "--target", "maps=0.6", "--batch", "4"]
COMMANDS = {  # the words of a command, and the file that it writes
    "oracle": (["oracle", "mine.py", "--out", "o.file"], "o.file"),
    "oracle's log": (["oracle", "mine.py", "--out", "o.file"], "o.log"),
    "oracle's units": (["oracle", "mine.py", "--out", "o.file"], "o.units"),
    "trial": (["trial", "mine.py", "--out", "o.file"], "o.file"),
    "trial's usual": (["trial", "mine.py"], "runs/mine/0/estimated.json"),
    "criteria": (["criteria", "mine.py", "--criteria", "taylor", "--out", "o.file"], "o.file"),
    "pruning": (["pruning", "mine.py", *FEW, "--run-name", "a", "--out", "."], "a.safetensors"),
    "pruned network": (["pruning", "mine.py", *FEW, "--run-name", "a", "--out", "."], "a.network"),
    "survival": (["survival", "mine.py", "--each", "1", "--out", "o.file"], "o.file"),
    "training": (["bench", "train", "vgg-digits", "--epochs", "1", "--out", "o.file"], "o.file"),
}


def put(path, what):
    """Puts something of others at a place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "theirs").write_text("theirs")
    if what == "file":
        path.write_text("theirs")
    elif what == "weights":
        runs.save(path, "weights", {"a": np.zeros(3)}, {})
    elif what == "folder":
        path.mkdir()
        (path / "theirs").write_text("theirs")
    elif what == "link":
        path.symlink_to("theirs")
    elif what == "link to nothing":
        path.symlink_to("nowhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        pytest.skip("only root can make a device")


def seen(folder):
    """Everything under a folder: what it is, where it leads and what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        known = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(known.st_mode) else path.readlink() if path.is_symlink() else ""
        found[path.relative_to(folder).as_posix()] = (known.st_mode, known.st_rdev, content)
    return found


KINDS_OF_THINGS = ["file", "weights", "folder", "link", "link to nothing", "pipe", "device"]


@pytest.mark.parametrize("what", KINDS_OF_THINGS)
def test_what_is_not_ours_is_refused_and_stays(tmp_path, what):
    put(tmp_path / "place", what)
    before = seen(tmp_path)
    with pytest.raises(BadInput, match=r"place is (no oracle file of this suite|a folder|a link|a pipe|a device): "):
        runs.check_writable(tmp_path / "place", ORACLE)
    assert seen(tmp_path) == before


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_every_command_refuses_before_it_measures(tmp_path, monkeypatch, name, what):
    words, place = COMMANDS[name]
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    put(tmp_path / place, what)
    before = seen(tmp_path)

    def too_late(*given, **more):
        raise AssertionError("measured")

    for where in ("oracle.run.measure", "oracle.trial.trial.measure", "criteria.run.collect"):
        monkeypatch.setattr(f"pruning_oracle.{where}", too_late)
    monkeypatch.setattr("pruning_oracle.pruning.run.Loop", too_late)
    monkeypatch.setattr("pruning_oracle.pruning.survival.start", too_late)
    monkeypatch.setattr("pruning_oracle.bench.training.train_and_save.train_from_scratch", too_late)
    done = command(*words, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert place in done.stderr
    assert done.stderr.count("\n") == 1
    assert seen(tmp_path) == before


def test_what_is_ours_or_empty_is_written_over(tmp_path):
    place = tmp_path / "place"
    place.touch()
    for value in (0, 1):
        runs.save(place, "oracle", {"a": np.full(3, value)}, {"much": "x" * 100_000})
        runs.check_writable(place, ORACLE)
    assert runs.load(place, "oracle").arrays["a"].tolist() == [1, 1, 1]
    place.write_bytes(place.read_bytes()[:100_200])
    runs.check_writable(place, ORACLE)  # of a damaged file the header still says whose it is
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("what", KINDS_OF_THINGS)
def test_what_came_to_lie_there_meanwhile_is_not_lost_nor_is_the_result(tmp_path, what):
    place = tmp_path / "place.safetensors"
    runs.check_writable(place, ORACLE)
    put(place, what)
    before = seen(tmp_path)
    with pytest.raises(BadInput, match=r"what was to be written there is in (\S+)") as refused:
        runs.save(place, "oracle", {"a": np.arange(3)}, {})
    kept = tmp_path / str(refused.value).rsplit("/", 1)[1]
    assert runs.load(kept, "oracle").arrays["a"].tolist() == [0, 1, 2]
    kept.unlink()
    assert seen(tmp_path) == before


@pytest.mark.parametrize("parent", ["a file", "a link to nothing"])
def test_a_parent_that_is_no_folder(tmp_path, parent):
    (tmp_path / "parent").write_text("theirs") if parent == "a file" else (tmp_path / "parent").symlink_to("nowhere/at/all")
    before = seen(tmp_path)
    with pytest.raises(BadInput, match=r"cannot write .*place: "):
        runs.check_writable(tmp_path / "parent" / "place", ORACLE)
    assert seen(tmp_path) == before


@pytest.mark.parametrize(("words", "suffix"), [(["oracle", "mine.py"], ".units"), (["oracle", "mine.py"], ".log")])
def test_a_name_that_what_lies_beside_it_needs(tmp_path, words, suffix):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    done = command(*words, "--out", f"o{suffix}", folder=tmp_path)
    assert done.returncode == 2
    assert f"o{suffix}: files that end in {suffix} are for what is kept beside the result" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_units_of_another_setting_stay_and_are_used(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    other = tmp_path / "o.safetensors"
    with unfinished(other, {"a night's": "work"}) as units:
        units.put("0-0", {"change": np.arange(3.0)})
    before = seen(tmp_path / "o.units")
    done = command("oracle", "mine.py", "--out", "o.safetensors", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert runs.load(other, "oracle").facts["examples"] == 5
    assert seen(tmp_path / "o.units") == before
    assert "the units of 1 unfinished oracles of other settings" in done.stderr
    with unfinished(other, {"a night's": "work"}) as units:
        assert units.get("0-0")["change"].tolist() == [0, 1, 2]


def test_a_log_of_others_is_told_from_ours(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    for _ in range(2):
        done = command("oracle", "mine.py", "--out", "o.safetensors", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        runs.check_writable(tmp_path / "o.log", LOG)
        (tmp_path / "o.safetensors").unlink()
    assert len((tmp_path / "o.log").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ("reports/baselines/*.csv", kinds.BASELINES),
        ("reports/baselines/*.safetensors", run_file("baseline")),
        ("reports/records/*/timings.json", kinds.TIMINGS),
        ("reports/records/*/estimated-*.json", kinds.TRIAL),
        ("criteria/combination.json", kinds.WEIGHTS_OF_CRITERIA),
        ("bench/weights/*.safetensors", run_file("weights")),
    ],
)
def test_what_the_suite_wrote_is_known_again(files, kind):
    every = sorted(Path().glob(files))
    assert every
    assert not [path for path in every if not kinds.is_a(path, kind) or kinds.is_a(path, PAGE, ORACLE)]


def test_clean_deletes_what_is_ours_alone(tmp_path):
    runs.save(tmp_path / "runs/a/0/oracle.safetensors", "oracle", {}, {})
    runs.write_atomically(tmp_path / "report/index.html", "<title>Pruning Oracle: a page</title>", PAGE)
    with unfinished(tmp_path / "runs/b/0/oracle.safetensors", {}) as units:
        units.put("0-0", {"change": np.zeros(1)})
    for name in ("runs/notes.txt", "report/index-2.html", "elsewhere/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("theirs")
    (tmp_path / "runs/far").symlink_to("../elsewhere")
    script = runs.files.__file__.replace("files.py", "kinds.py")
    done = subprocess.run([sys.executable, script, "runs", "report"], cwd=tmp_path, capture_output=True, text=True, check=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {"runs/notes.txt", "report/index-2.html", "elsewhere/notes.txt"}
    assert (tmp_path / "runs/far").is_symlink()
    assert done.stdout.count("kept, since it is not the suite's: ") == 3
    record = subprocess.run(
        [sys.executable, script, "--timings", "runs/notes.txt"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert record.returncode == 1
    assert record.stderr == "runs/notes.txt is no record of make timings of this suite: move it away, or name another place\n"
