"""The provenance of a measurement, for people to read: versions, commit, hardware, command and time."""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "pyproject.toml"  # does not exist in an installed copy
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "safetensors")
MEASURES = ("bench", "oracle", "criteria", "pruning")  # folders whose last commit and uncommitted changes `commit` gives


def provenance() -> dict[str, Any]:
    """The facts that every file carries: versions, commit, hardware, command and time."""
    return {
        "versions": {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES},
        "suite": version(),
        "commit": commit(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


@functools.cache
def installed(package: str) -> str:
    """The version of a package; `none` if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


@functools.cache
def version() -> str:
    """The version of this suite, from its project file or, in an installed copy, from the package's metadata."""
    if PROJECT.is_file():
        return str(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["version"])
    return installed("pruning-oracle")


@functools.cache
def commit() -> str:
    """The last commit that changed the folders in `MEASURES`, as twelve digits; of an installed copy, that of its repository.

    If they have uncommitted changes, `-dirty-` and a digest of these follow. `unknown` where neither git nor pip knows it.
    """
    if not PROJECT.is_file():
        return _installed_from()
    try:
        last = _git("log", "-1", "--format=%H", "--", *MEASURES).strip()[:12]
        changes = _git("status", "--porcelain", "--", *MEASURES) + _git("diff", "HEAD", "--", *MEASURES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (last + (f"-dirty-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else "")) or "unknown"


def _installed_from() -> str:
    """The commit that pip installed this copy from, which it notes only if it was given a repository."""
    try:
        found = importlib.metadata.distribution("pruning-oracle")
        noted = json.loads(found.read_text("direct_url.json") or "{}").get("vcs_info", {}).get("commit_id", "")
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return "unknown"
    ours = Path(str(found.locate_file("pruning_oracle"))).resolve() == ROOT
    return noted[:12] if ours and isinstance(noted, str) and noted else "unknown"


def _git(*words: str) -> str:
    # without the lock that `git status` would take to refresh the index, and leave behind if it were killed
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
    ).stdout


@functools.cache
def processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
