"""When to stop an estimated oracle: at a share of the pairs, after some time, or once a quality is probably reached."""

import math
import re
from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.oracle.estimated.estimate import Estimates

QUALITIES = ("spearman", "width")
SURENESS, DRAWS = 0.95, 200
ROUNDS, FIRST = 4, 0.35  # if a share is the only limit: the number of rounds, and the part of the pairs in the first one
# otherwise: the first round measures this share of all pairs, but at least so many per map; each later round measures
# this share of what is measured already
START, LEAST, GROWTH = 0.01, 3, 0.5


@dataclass(frozen=True)
class Goal:
    """A limit on measuring: at most `share` of all pairs and `seconds`, or less where `quality` reaches `value` before.

    `quality` is `spearman` (with the whole oracle), `width` (of the widest interval, in nats) or empty.
    """

    share: float = 1.0
    seconds: float = math.inf
    quality: str = ""
    value: float = math.nan
    rounds: int = ROUNDS  # if `share` is the only limit

    @classmethod
    def parse(cls, budget: str | None, until: str | None) -> "Goal":
        """Reads a budget, `0.05` (of the pairs) or `60s`, and a quality, `spearman=0.98` or `width=0.01` (nats).

        Raises BadInput for anything else.
        """
        found = re.fullmatch(r"(\d*\.?\d+(?:e-?\d+)?)(s?)", "1" if budget is None else budget, re.ASCII)
        number = float(found[1]) if found else 0.0
        if not found or not 0 < number < math.inf or (not found[2] and number > 1):
            raise BadInput(
                f"--budget is {budget!r}; allowed is a share of the pairs above 0 and up to 1, or seconds such as 60s"
            )
        name, _, text = (until or "").partition("=")
        value = float(text) if re.fullmatch(r"\d*\.?\d+(?:e-?\d+)?", text, re.ASCII) else math.nan
        if until is not None and name not in QUALITIES:
            raise unknown("--until", name, QUALITIES)
        if until is not None and not (0 < value < 1 if name == "spearman" else 0 < value < math.inf):
            allowed = "a correlation between 0 and 1" if name == "spearman" else "a positive number of nats"
            raise BadInput(f"--until {until}: allowed is {allowed}")
        return cls(*((1.0, number) if found[2] else (number, math.inf)), name, value)

    def __str__(self) -> str:
        parts = [f"budget {self.share:g}"] if self.share < 1 else []
        parts += [f"budget {self.seconds:g}s"] if self.seconds < math.inf else []
        return ", ".join([*parts, f"{self.quality}={self.value:g}"] if self.quality else parts)

    def said(self, reached: float) -> str:
        """The quality that is probably reached, as the end of a message; empty for a goal without one."""
        if self.quality == "width":
            return f"; the widest interval has {reached:.4g} nats"
        return f"; a Spearman of at least {reached:.4f} is likely" if self.quality else ""

    @property
    def exact(self) -> bool:
        """Whether every pair is to be measured."""
        return self.share == 1 and self.seconds == math.inf and not self.quality

    def pairs(self, step: int, measured: int, total: int, maps: int, spent: float) -> float:
        """How many pairs the next round should measure; less than 1 means none.

        `step` is the round's number from 0, `measured` the pairs measured so far of `total`, `spent` the seconds so far.
        """
        known_share = not self.quality and self.seconds == math.inf
        if known_share:
            later = (1 - FIRST) / max(1, self.rounds - 1)
            part = 1.0 if self.rounds == 1 else FIRST if step == 0 else later
            size = 0.0 if step >= self.rounds else self.share * total * part
        else:
            size = max(START * total, LEAST * maps) if step == 0 else GROWTH * measured
        if step and self.seconds < math.inf:
            size = min(size, measured / max(spent, 1e-9) * (self.seconds - spent))
        return float(min(size, self.share * total - measured))

    def reached(self, estimates: list[Estimates], seed: int) -> float:
        """The quality reached: the width of the widest interval, or the Spearman exceeded with a probability of 95 %."""
        if self.quality == "width":
            return max(float((found.high - found.low).max()) for found in estimates)
        return likely_spearman(estimates, seed)

    def met(self, reached: float) -> bool:
        """Whether the quality `reached` is good enough."""
        return reached <= self.value if self.quality == "width" else reached >= self.value


def likely_spearman(estimates: list[Estimates], seed: int) -> float:
    """The Spearman with the whole oracle_abs, a mean over sites, that is exceeded with a probability of 95 %.

    Possible whole oracles are drawn from the shrunk estimates and their errors, with Student's tails. Sites with one or two
    maps do not count; NaN if there are no others.
    """
    from scipy.stats import rankdata  # noqa: PLC0415 (half a second to import, which only estimated oracles need)

    random = np.random.default_rng([seed, 5])
    every = []
    for found in estimates:
        drawn = np.abs(found.shrunk + found.shrunk_error * random.standard_t(found.freedom, (DRAWS, len(found.shrunk))))
        ranks = [rankdata(values, axis=-1) for values in (np.abs(found.shrunk)[None], drawn)]
        centred = [values - values.mean(-1, keepdims=True) for values in ranks]
        lengths = [np.sqrt((values**2).sum(-1)) for values in centred]
        product = lengths[0] * lengths[1]
        every.append(np.divide((centred[0] * centred[1]).sum(-1), product, out=np.full(DRAWS, np.nan), where=product > 0))
    defined = [values for values, found in zip(every, estimates, strict=True) if len(found.shrunk) > 2]
    return float(np.nanquantile(np.nanmean(defined, 0), 1 - SURENESS)) if defined else math.nan
