"""The one rule for names that users and files give to cases and runs: such a name is part of paths, pages and command lines."""

import re

from pruning_oracle.bench.errors import BadInput

NAME = re.compile(r"[^\W_][\w.,+=-]*")
LONGEST = 200  # bytes: with what is added to it, a name must fit into that of a file


def checked_name(what: str, name: object) -> str:
    """Returns a name; BadInput if it breaks the rule. `what` says whose name it is."""
    if isinstance(name, str) and NAME.fullmatch(name) and len(name.encode()) <= LONGEST:
        return name
    shown = repr(name if len(str(name)) <= LONGEST else f"{str(name)[:40]}…")
    raise BadInput(
        f"{what} is {shown}: allowed are a letter or digit, then letters, digits and . _ , + = -, at most {LONGEST} bytes"
    )
