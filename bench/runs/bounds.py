"""The numbers that settings may have, with their bounds: read from texts and checked in Python by the same rules."""

import dataclasses
import numbers
import re
import typing
from dataclasses import dataclass
from typing import Any

from pruning_oracle.bench.errors import BadInput

SHOWN = 40  # characters of a wrong value that a message shows


@dataclass(frozen=True)
class Bounds:
    """Numbers from `least` to `most`, or only those above `least`; whole ones, or any that are finite."""

    least: float
    most: float
    whole: bool = True
    above: bool = False

    def __str__(self) -> str:
        kind, least, most = "whole numbers" if self.whole else "numbers", *map(_plain, (self.least, self.most))
        return f"{kind} above {least} up to {most}" if self.above else f"{kind} from {least} to {most}"

    def read(self, name: str, text: str) -> Any:
        """The number that a text means, an int or a float; BadInput, which calls it `name`, if it is not one of these."""
        plain = re.fullmatch(
            r"[+-]?\d+" if self.whole else r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf", text, re.A | re.I
        )
        if not plain or len(text) > SHOWN:  # what Python reads beside that, such as 1_0, is a slip here
            raise BadInput(f"{name} is {_shown(text, quoted=not plain)}; allowed are {self}")
        return self.check(name, int(text) if self.whole else float(text))

    def check(self, name: str, value: Any) -> Any:
        """Returns `value` if it is one of these numbers; else BadInput, which calls it `name`."""
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind) or not self._holds(value):
            raise BadInput(f"{name} is {_shown(value, quoted=isinstance(value, str))}; allowed are {self}")
        return value

    def _holds(self, value: Any) -> bool:
        return (self.least < value if self.above else self.least <= value) and value <= self.most  # false for NaN


def _shown(value: Any, quoted: bool) -> str:
    text = ascii(value) if quoted else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


SEED = Bounds(0, 2**32 - 1)
EXAMPLES = Bounds(3, 10**9)
BATCH = Bounds(1, 2**20)
EPOCHS = Bounds(1, 100_000)
UPDATES = Bounds(0, 10**9)
COUNT = Bounds(1, 10**6)  # of what is repeated, drawn or removed at a time
REFERENCE_SETS = Bounds(10, 10**6)  # of each share: an interval over fewer would say nothing
SHARE = Bounds(0, 1, whole=False, above=True)
TWO_OR_MORE = Bounds(2, 10**6)
JOBS = Bounds(1, 1024)
PIXELS = Bounds(1, 4096)
RATE = Bounds(0, 10, whole=False, above=True)
RATE_OR_NONE = Bounds(0, 10, whole=False)  # 0: pruning that learns nothing
MOMENTUM = Bounds(0, 0.9999, whole=False)
WEIGHT_DECAY = Bounds(0, 10, whole=False)
SMOOTHING = Bounds(0, 0.9999, whole=False)
SECONDS = Bounds(0, 10**9, whole=False)
PRICE = Bounds(0, 10**6, whole=False)


def check_fields(settings: Any) -> None:
    """Checks every field of a dataclass whose type is `Annotated[…, Bounds]`; BadInput names the first that is out of them."""
    hints = typing.get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        for bounds in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(bounds, Bounds):
                bounds.check(f"--{field.name.replace('_', '-')}", getattr(settings, field.name))
