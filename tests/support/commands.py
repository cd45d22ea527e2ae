"""Runs the suite's commands for tests: in the test's process, which is fast, or in a process of their own, as users do."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from pruning_oracle.bench.errors import exit_with

MAIN = "pruning_oracle.command_line.app"
CASE = """
import torch
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from torch.utils.data import TensorDataset

@case
def mine(seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    data = TensorDataset(torch.randn(20, 1, 2, 2), torch.full((20,), {label}))
    return assemble(model{mode}, data, data, examples=5)
"""


STAGES = ("bench", "oracle", "criteria", "pruning", "reports", "pipeline")  # whose own way to be called goes on working


def command(*words, folder, **environment):
    """Runs `pruning-oracle …`, or `python -m pruning_oracle.STAGE …`, in a folder, within this process.

    It returns the exit status and what was printed.

    Whatever it changes beyond its own run is restored: the folder, the environment, what users' files registered.
    """
    stage, *arguments = words if words[0] in STAGES else (None, *words)
    out, errors = io.StringIO(), io.StringIO()
    here, known, argv, writes_none = Path.cwd(), dict(os.environ), sys.argv, sys.dont_write_bytecode
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), _registries_put_back():
        try:
            os.chdir(folder)
            os.environ.update({"TQDM_DISABLE": "1"} | environment)
            sys.argv = ["-m" if stage else "pruning-oracle", *words]
            sys.dont_write_bytecode = True  # what Python caches beside a user's file is no doing of the command
            main = importlib.import_module(f"pruning_oracle.{stage}.__main__" if stage else MAIN).main
            status = _status(lambda: main(arguments))
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(known)
            sys.argv, sys.dont_write_bytecode = argv, writes_none
    return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=errors.getvalue())


def own_process(*words, folder, **environment):
    """Runs the same in a process of its own; returns what `subprocess.run` does."""
    call = [
        sys.executable,
        "-m",
        *([f"pruning_oracle.{words[0]}", *words[1:]] if words[0] in STAGES else ["pruning_oracle", *words]),
    ]
    return subprocess.run(call, cwd=folder, env=surroundings(**environment), capture_output=True, text=True, check=False)


def surroundings(**environment):
    """Environment variables for a process that can import what this one can, and computes on one thread."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment


def _status(call):
    try:
        exit_with(call)
    except SystemExit as end:
        return end.code or 0
    return 0


@contextlib.contextmanager
def _registries_put_back():
    from pruning_oracle.bench.registry import CASES  # noqa: PLC0415 (not before jaxtyping watches imports)
    from pruning_oracle.criteria.criterion import CRITERIA  # noqa: PLC0415

    kept = [(registry, dict(registry)) for registry in (CASES, CRITERIA)]
    try:
        yield
    finally:
        for registry, before in kept:
            for name in [name for name in registry if name not in before and not _ours(registry[name])]:
                del registry[name]


def _ours(definition):
    return Path(definition.file).resolve().is_relative_to(Path(__file__).parents[2])
