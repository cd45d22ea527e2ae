"""The exception for a user's mistake, and the wrapper of a command that reports it in one line and exits with an error."""

import difflib
import sys
from collections.abc import Callable, Iterable

from pruning_oracle.bench.terminal import INTERRUPTED, guarded_output, interruptible, one_line

LONGEST = 100  # characters of a name that is compared with others


class BadInput(Exception):  # noqa: N818 (the user's mistake, not the program's error)
    """A user's mistake; the message names the wrong value, where it is, and what is allowed."""


def unknown(kind: str, value: object, allowed: Iterable[object]) -> BadInput:
    """Returns (does not raise) the error for a name that does not exist; its message lists the names that do."""
    names = sorted(map(str, allowed))
    near = difflib.get_close_matches(str(value)[:LONGEST], names, 1)
    return BadInput(f"unknown {kind} {str(value)!r}: choose from {', '.join(names)}" + (f"; near is {near[0]}" if near else ""))


def exit_with(main: Callable[[], None]) -> None:
    """Runs a command; BadInput ends the process with `error: …` and status 2, an interruption (Ctrl-C) with status 130.

    All that it prints is made printable. A reader that has read enough (`| head -1`) does not stop the work; any other error
    of standard output is reported at the end, with status 1.
    """
    status = 0
    with guarded_output() as (out, _):
        try:
            with interruptible():
                main()
        except BadInput as error:
            status = _fail(f"error: {error}", 2)
        except KeyboardInterrupt:
            status = _fail(INTERRUPTED, 130)
            exec("")  # noqa: S102 (`python -m` would end by a signal if the interruption passed through `exec`; this forgets it)
        finally:
            out.flush()
            if out.error:
                status = status or _fail(f"error: cannot print: {out.error}", 1)
    if status:
        sys.exit(status)


def _fail(message: str, status: int) -> int:
    print(one_line(message), file=sys.stderr)
    return status
