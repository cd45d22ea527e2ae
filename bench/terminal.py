"""What a command prints: no control character, closed pipe, narrow encoding or full disk behind its output may break it."""

import contextlib
import io
import os
import re
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

INTERRUPTED = "interrupted: files already written are complete, nothing else was written"
CURSOR = re.compile(r"[\r\n]*(\x1b\[A)*")  # how a progress bar moves the cursor, in a write of its own


def printable(text: str) -> str:
    """`text` with control characters, escapes and what no encoding has as backslash escapes; line feeds and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """`text` as one line of printable characters."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


class GuardedStream:
    """A text stream to print to. What cannot be written any more is dropped, so that the work goes on; `error` says why."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.error = stream, ""
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Prints text, made printable but for a carriage return in front and for movements of the cursor."""
        start = "\r" if text.startswith("\r") else ""
        shown = text if CURSOR.fullmatch(text) else start + printable(text.removeprefix(start))
        self._tried(lambda: self.stream.write(shown))
        return len(text)

    def styled(self, text: str) -> None:
        """Prints text with escapes of our own making; whatever of it comes from data must be printable already."""
        self._tried(lambda: self.stream.write(text))

    def flush(self) -> None:
        """Hands on what was printed."""
        self._tried(self.stream.flush)

    def _tried(self, do: Callable[[], object]) -> None:
        try:
            do()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # the reader of a pipe may have read enough
                self.error = self.error or error.strerror or "an error"
            with contextlib.suppress(OSError):  # what is still buffered must not fail when the process ends
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def guarded_output() -> Iterator[list[GuardedStream]]:
    """Guards standard output and standard error during the block."""
    before = sys.stdout, sys.stderr
    streams = guard_output()
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before


def guard_output() -> list[GuardedStream]:
    """Guards standard output and standard error, and returns both; a closed one is the null device from now on."""
    for number in range(3):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so that no data file does
    streams = [GuardedStream(stream or io.StringIO()) for stream in (sys.stdout, sys.stderr)]
    sys.stdout, sys.stderr = streams
    return streams


def end_quietly_while_starting() -> None:
    """Until a command's work begins, while its modules are imported, an interruption (Ctrl-C) ends the process at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, as in the background
        signal.signal(signal.SIGINT, _end)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """During the block an interruption raises KeyboardInterrupt, even where Python would print and swallow it.

    After a command's work it is ignored: the process is ending.
    """
    started, hook = signal.getsignal(signal.SIGINT) is _end, sys.unraisablehook
    if started:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if started:
            ignore_interruptions()


def ignore_interruptions() -> None:
    """From now on an interruption does nothing, not even one that is on its way: the process is ending."""
    signal.signal(signal.SIGINT, lambda number, frame: None)


def _end(number: int, frame: types.FrameType | None) -> None:
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(130)


def _again(unraisable: "sys.UnraisableHookArgs") -> None:
    """An interruption that fell into a finaliser, which cannot be left by an exception, comes a moment later again."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)
