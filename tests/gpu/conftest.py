"""With STANDIN set these tests run on the device that stands in for a GPU; `tests/test_standin.py` starts them so."""

import os

if os.environ.get("STANDIN"):
    import standin  # noqa: F401  (from tests/support: makes the device)
