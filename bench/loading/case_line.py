"""The line by which a case is known wherever a name is expected: a name or a file, or a library's network with its options."""

import shlex
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.bounds import PIXELS

LIBRARIES = ("torchvision:", "timm:")  # prefixes of the names of cases without a Python file


def case_line(case: str, **options: Any) -> str:
    """The case's name and those options that are part of the case (`data`, `weights`, `size`, `name`), in one line.

    BadInput if such options are given for a case that is not named by `torchvision:` or `timm:`.
    """
    named = [(f"--{name}", str(value)) for name, value in options.items() if value is not None]
    if named and not case.startswith(LIBRARIES):
        raise BadInput(f"{named[0][0]} is for torchvision:NAME and timm:NAME; {case!r} brings its own")
    if options.get("size") is not None:
        PIXELS.check("--size", options["size"])
    return " ".join([case, *(shlex.join(pair) for pair in named)])
