"""The pictures of the tutorials: a page is run as its reader would, and shows what its blocks saved.

Pictures are kept in `.cache/tutorials` until the page, the suite's code or torch changes.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES, KEPT = ROOT / "docs/tutorials", ROOT / ".cache/tutorials"
SHOWN = re.compile(r"!\[[^]]*\]\(([\w-]+\.png)\)")
CODE = "pruning_oracle.docs.build.run_page"


def shown_on(page: Path) -> list[str]:
    """The pictures that a page makes and shows: those without a folder."""
    return sorted(set(SHOWN.findall(page.read_text("utf-8"))))


def sources() -> list[Path]:
    """The suite's own code: every module of its packages, and what runs pages."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = [ROOT / name.replace(".", "/").removeprefix("pruning_oracle").lstrip("/") for name in packages]
    return sorted({path for folder in folders for path in folder.glob("*.py")} | {Path(__file__).with_name("run_page.py")})


def digest(page: Path) -> str:
    """What a page's pictures depend on."""
    sha = hashlib.sha256(importlib.metadata.version("torch").encode())
    for path in (page, *sources()):
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()[:16]


def run_page(page: Path, folder: Path) -> None:
    """Runs a page in a folder, in a process of its own; RuntimeError, with page and line, where it does not do what it says."""
    paths = os.pathsep.join(filter(None, [str(ROOT / ".link"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "MPLBACKEND": "agg", "COLUMNS": "200"}
    command = [sys.executable, "-m", CODE, str(page)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout.strip() or done.stderr.strip())


def keep(page: Path, folder: Path) -> Path:
    """Keeps the pictures that a page's run left in a folder, in place of older ones; returns where they are."""
    kept = KEPT / page.stem / digest(page)
    shutil.rmtree(kept.parent, ignore_errors=True)
    kept.mkdir(parents=True)
    for name in shown_on(page):
        shutil.copyfile(folder / name, kept / name)
    return kept


def pictures(page: Path) -> dict[str, bytes]:
    """A page's pictures by name; the page is run unless those of the same page and code are kept."""
    names, kept = shown_on(page), KEPT / page.stem / digest(page)
    if not all((kept / name).is_file() for name in names):
        with tempfile.TemporaryDirectory() as folder:
            run_page(page, Path(folder))
            kept = keep(page, Path(folder))
    return {name: (kept / name).read_bytes() for name in names}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pictures of all tutorials to the site, unless it is a site of other pages."""
    if Path(config.docs_dir).resolve() != PAGES.parent.resolve():
        return files
    pages = [page for page in sorted(PAGES.glob("*.md")) if shown_on(page)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for page, found in zip(pages, pool.map(pictures, pages), strict=True):
            for name, content in found.items():
                files.append(File.generated(config, f"{page.parent.name}/{name}", content=content))
    return files
