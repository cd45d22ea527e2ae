"""The suite installed from a wheel, as users have it, for tests that look at it from outside."""

import os
import shutil
import subprocess
import sys
import sysconfig

STAGES = ("bench", "command_line", "criteria", "interface", "oracle", "pipeline", "pruning", "reports")


def run(*words, folder, **environment):
    """Runs a command in a folder, without what this session's environment says to Python and pytest."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    where = bare | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(words, cwd=folder, env=where, capture_output=True, text=True, check=False)


def built_wheel(out):
    """A wheel of the suite, built in a folder."""
    ours = out / "copy"  # building writes beside the sources
    for stage in STAGES:
        shutil.copytree(stage, ours / stage, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "__main__.py", "py.typed", "CITATION.cff", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(name, ours)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(ours)]
    done = run(sys.executable, "-m", "pip", *build, folder=out)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def installed_python(wheel, folder):
    """The python of an environment of its own, into which the wheel alone is installed; the rest is taken from this one's."""
    folder.mkdir(exist_ok=True)
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), folder=folder)
    made = folder / "bin" / "python"
    done = run(sys.executable, "-m", "pip", "--python", str(made), "install", "--quiet", "--no-deps", str(wheel), folder=folder)
    assert done.returncode == 0, done.stderr
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "rest.pth").write_text(sysconfig.get_path("purelib") + "\n")  # an editable copy's own .pth is not read from there
    where = run(str(made), "-c", "import pruning_oracle; print(pruning_oracle.__file__)", folder=folder).stdout
    assert where.startswith(str(site))
    return made


def pytest_ways(python):
    """`pytest`, which is a script, and `python -m pytest`."""
    script = python.parent / "pytest"
    script.write_text(f"#!{python}\nimport sys\nfrom pytest import console_main\nsys.exit(console_main())\n")
    script.chmod(0o755)
    return {"pytest": [str(script)], "python -m pytest": [str(python), "-m", "pytest"]}
