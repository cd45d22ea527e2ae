"""These tests run on a device that stands in for a GPU, in processes of their own, which `tests/test_standin.py` starts."""

import os

if os.environ.get("STANDIN"):
    import standin  # noqa: F401  (from tests/support: makes the device)
else:
    collect_ignore_glob = ["test_*.py"]
