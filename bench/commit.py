"""The commit that measured: the last one that changed what measures, marked if there are changes since. Prints it."""

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEASURES = ("bench", "oracle", "criteria", "pruning")  # a change of the report or of a page of text does not age a measurement


def commit() -> str:
    """Twelve digits, with `-dirty-` and a digest of the changes if there are any; `unknown` outside a checkout."""
    try:
        last = _git("log", "-1", "--format=%H", "--", *MEASURES).strip()[:12]
        changes = _git("status", "--porcelain", "--", *MEASURES) + _git("diff", "HEAD", "--", *MEASURES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (last + (f"-dirty-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else "")) or "unknown"


def _git(*words: str) -> str:
    call = ["git", "-C", str(ROOT), *words]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    print(commit())
