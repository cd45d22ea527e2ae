"""Kills the suite's commands at random moments, stage by stage, and checks that nothing which was measured is lost.

`PYTHONPATH=.link:tests/support python tests/support/kills.py --kills 200 --record FOLDER` writes `kills.json`, and
`tests/test_kills.py` runs a few. Each command runs in a process forked from this one, which has imported everything, so that
kills come in its work and not in its imports. After every kill the command is started again in the same folder, until it ends.
Then its result must be that of a run which was never killed, and no unit or step that was stored may have been computed twice.
"""

import argparse
import functools
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs.files import kind_of
from pruning_oracle.bench.runs.resumable import ResumableFile
from pruning_oracle.bench.training import train_and_save
from pruning_oracle.bench.training.checkpoint import CheckpointFile
from pruning_oracle.oracle.resume import Units

CASE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe

class Shades(TensorDataset):
    def __init__(self, count, seed):
        self.labels = [row % 3 for row in range(count)]
        noise = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        super().__init__(noise + torch.tensor(self.labels).view(-1, 1, 1, 1) - 1.0, torch.tensor(self.labels))

def build(classes):
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 10, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, classes),
    )

def parts():
    return Splits(Shades(60, 0), Shades(12, 1), Shades(12, 2), ("a", "b", "c"))

@case(training=FineTuneRecipe(build, build, parts, epochs=24, rate=0.05, batch=8, augment=lambda inputs, generator: inputs))
def mine(seed):
    torch.manual_seed(seed)
    data = parts()
    return assemble(build(3).eval(), data.train, data.test, examples=24)
"""
PRUNE = ["--updates", "4", "--remove", "1", "--target", "maps=0.4", "--batch", "8", "--final-updates", "12", "--tested", "6"]
ORACLE, SCORES = ["oracle", "mine.py", "--batch", "2"], ["criteria", "mine.py", "--criteria", "quick"]
STAGES = {  # what is run once before, and then killed; and its share of all kills
    "exact oracle": ([], ORACLE, 5),
    "estimated oracle": ([], [*ORACLE, "--budget", "0.4", "--examples", "28"], 4),
    "criteria": ([], SCORES, 3),
    "pruning": ([], ["pruning", "mine.py", *PRUNE, "--keep", "0", "--run-name", "a"], 4),
    "fine-tuning": ([], ["bench", "train", "mine.py"], 3),
    "report": ([ORACLE, SCORES, ["reports", "grade", "mine"]], ["reports", "page", "mine"], 1),
}
JOURNAL = Path("journal")  # in the folder of a run: what was stored, a line each


def journalled() -> None:
    """Makes every store note what it stored, and every resumption prove that it found all of it."""
    put, save, found = Units.put, ResumableFile.save, ResumableFile.found

    def noted_put(self, name, arrays):
        assert f"unit {name}" not in lines(), f"unit {name} was measured twice"
        put(self, name, arrays)
        note(f"unit {name}")

    def noted_save(self, arrays, facts):
        save(self, arrays, facts)
        note(f"state {json.dumps(progress(facts))}")

    def checked_found(self):
        file = found(self)
        states = [json.loads(line.removeprefix("state ")) for line in lines() if line.startswith("state ")]
        assert not states or (file is not None and progress(file.facts) >= states[-1]), "a state was lost"
        return file

    Units.put, ResumableFile.save, ResumableFile.found = noted_put, noted_save, checked_found


def lines() -> list[str]:
    return JOURNAL.read_text().splitlines() if JOURNAL.exists() else []


def note(line: str) -> None:
    with JOURNAL.open("a") as file:
        file.write(f"{line}\n")


def progress(facts: dict) -> list[int]:
    """How far a stored state is."""
    return [facts["done"]] if "curve" in facts else [len(facts["rows"]), facts["update"], facts["final"]["updates"]]


def start(words: list[str], folder: Path) -> int:
    """Starts a command in a process of its own; returns its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.chdir(folder)
            out = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            module, *arguments = words
            sys.argv = ["-m", *words]
            importlib.import_module(f"pruning_oracle.{module}.__main__").main(arguments)
            status = 0
        except BaseException:  # whatever it is, this process must not go on as its parent
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return pid


def ended(pid: int, seconds: float) -> bool:
    """Waits for a process for at most so long; False if it is still running."""
    deadline = time.monotonic() + seconds
    while True:
        known, status = os.waitpid(pid, os.WNOHANG)
        if known:
            assert status == 0, f"a command failed with status {status}"
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.001)


def result(folder: Path) -> dict[str, str]:
    """A digest of every result in a folder, without what tells of the time that it took."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name.startswith(".") or name in {"mine.py", "journal", "output"} or path.suffix == ".log":
            continue
        assert path.suffix != ".state", f"{name} is left"
        assert "units" not in name, f"{name} is left"
        if "__pycache__" in path.parts:
            continue
        if path.suffix in {".safetensors", ".network", ".curve"}:
            found[name] = runs.digest(runs.load(path, kind_of(path)).arrays)
        elif "runs" not in path.parts:  # a table in the run's folder holds a checksum over times
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def fresh(root: Path, before: list[list[str]]) -> Path:
    """A new folder with the case, in which the commands `before` have run."""
    folder = Path(tempfile.mkdtemp(dir=root))
    (folder / "mine.py").write_text(CASE)
    for words in before:
        assert ended(start(words, folder), 600), (folder / "output").read_text()
    return folder


def kill_stage(name: str, kills: int, random: np.random.Generator, root: Path) -> dict:
    """Kills a stage's command so often; what happened."""
    before, words, _ = STAGES[name]
    ready = fresh(root, before)
    whole = Path(shutil.copytree(ready, root / f"{name} whole"))
    began = time.monotonic()
    assert ended(start(words, whole), 600)
    seconds, expected = time.monotonic() - began, result(whole)
    assert expected
    counts, moments, folder = Counter(), list[float](), None
    while counts["kills"] < kills or folder:
        folder = folder or Path(shutil.copytree(ready, root / f"{name} {counts['runs']}"))
        pid = start(words, folder)
        wait = float(random.uniform(0, 1.1 * seconds)) if counts["kills"] < kills else 600.0
        if ended(pid, wait):
            assert result(folder) == expected, f"{name}: another result, see {folder}"
            assert "Traceback" not in (folder / "output").read_text(), (folder / "output").read_text()
            stored = lines_of(folder)
            counts.update({"runs": 1, "stored": len(stored)})
            shutil.rmtree(folder)
            folder = None
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            counts.update({"kills": 1, "kills after something was stored": bool(lines_of(folder))})
            moments.append(round(wait / seconds, 3))
    shutil.rmtree(whole)
    return {"seconds of a whole run": round(seconds, 2), **counts, "lost": 0, "moments, of a whole run": sorted(moments)}


def lines_of(folder: Path) -> list[str]:
    path = folder / JOURNAL
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="the folder to write kills.json to")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["TQDM_DISABLE"] = "1"
    train_and_save.CheckpointFile = functools.partial(CheckpointFile, seconds=-1.0)
    for module in ("oracle", "criteria", "pruning", "bench", "reports"):
        importlib.import_module(f"pruning_oracle.{module}.__main__")
    journalled()
    random, found = np.random.default_rng(given.seed), {}
    shares = {name: STAGES[name][2] for name in given.stages}
    with tempfile.TemporaryDirectory() as root:
        for name, share in shares.items():
            kills = max(1, round(given.kills * share / sum(shares.values())))
            found[name] = kill_stage(name, kills, random, Path(root))
            print(f"{name}: {found[name]['kills']} kills, {found[name]['runs']} runs ended, nothing lost", flush=True)
    total = sum(stage["kills"] for stage in found.values())
    print(f"{total} kills, nothing lost")
    if given.record:
        given.record.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"kills": total, "seed": given.seed, "stages": found, "provenance": runs.provenance()}, indent=1)
        (given.record / "kills.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
