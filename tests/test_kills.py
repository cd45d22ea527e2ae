"""Commands that are killed at random moments lose nothing: `tests/support/kills.py` with few kills, over all stages."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import surroundings

STAGES = ["exact oracle", "estimated oracle", "criteria", "pruning", "fine-tuning"]


@pytest.mark.slow
def test_nothing_is_lost(tmp_path):
    pytest.importorskip("torch_pruning", reason="torch-pruning, which cuts layers, is not installed")
    script = Path(__file__).parent / "support" / "kills.py"
    words = [sys.executable, str(script), "--kills", "15", "--stages", *STAGES, "--record", str(tmp_path)]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("kills, nothing lost")
    assert all(f"{name}: " in done.stdout for name in STAGES)
    assert (tmp_path / "kills.json").exists()
