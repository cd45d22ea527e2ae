"""The one exception for a user's mistake, and the wrapper that turns it into one line and a non-zero exit."""

import sys
from collections.abc import Callable, Iterable


class BadInput(Exception):  # noqa: N818 (the user's mistake, not the program's error)
    """Something the user gave is wrong; the message names the value, the place and what is allowed."""


def unknown(kind: str, value: object, allowed: Iterable[object]) -> BadInput:
    """The error for a name that does not exist: lists those that do."""
    return BadInput(f"unknown {kind} {str(value)!r}: choose from {', '.join(sorted(map(str, allowed)))}")


def exit_with(main: Callable[[], None]) -> None:
    """Runs a command; a user's mistake ends it with `error: …` and status 2, an interruption with status 130."""
    try:
        main()
    except BadInput as error:
        sys.exit(_fail(f"error: {error}", 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted: files already written are complete, nothing else was written", 130))


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status
