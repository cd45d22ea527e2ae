"""The page's script has no name that it does not define, and none that it does not use."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pruning_oracle.bench.runs.provenance import ROOT
from pruning_oracle.reports.page.assemble import inlined, own_script

SETTINGS = {
    "env": {"browser": True, "es2024": True},
    "globals": {"vegaEmbed": "readonly", "DataTable": "readonly"},  # of the libraries
    "categories": {"correctness": "error"},
    "rules": {"no-undef": "error", "no-unused-vars": "error", "eqeqeq": "error"},
}
OXLINT = shutil.which("oxlint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")


def linted(text, folder):
    """What oxlint says of a script of ours; empty if nothing."""
    file, settings = folder / "page.mjs", folder / "settings.json"
    file.write_text(text)
    settings.write_text(json.dumps(SETTINGS))
    done = subprocess.run([OXLINT, "-c", str(settings), str(file)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.skipif(OXLINT is None, reason="oxlint is not installed: pip install oxlint")
def test_oxlint_finds_nothing(tmp_path):
    assert linted(own_script(), tmp_path) == ""
    assert "no-undef" in linted(f"{own_script()}\nsomethingElse();", tmp_path)


def test_nothing_of_data_becomes_markup():
    assert not [
        word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in own_script()
    ]


def test_files_are_short_and_begin_by_saying_what_they_are():
    for file in (ROOT / "reports/page/script").glob("*.js"):
        lines = file.read_text("utf-8").splitlines()
        assert lines[0].startswith("// "), file
        assert len(lines) <= 220, file


def test_no_text_ends_its_element():
    assert inlined("a = '</script><!-- </STYLE>'") == r"a = '\x3c/script>\x3c!-- \x3c/STYLE>'"
