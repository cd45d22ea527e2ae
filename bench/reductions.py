"""How a saliency `[example, map]` becomes one score per map: the named second step, the same for torch and numpy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _same(values: Any) -> Any:
    return values


@dataclass(frozen=True)
class Reduction:
    """`after(mean over examples of before(saliency))`; written so that a weighted mean over examples can stand in."""

    before: Callable[[Any], Any]
    after: Callable[[Any], Any]

    def __call__(self, saliency: Any) -> Any:
        """Score `[map]` of a saliency `[example, map]`, applied once over all examples."""
        return self.after(self.before(saliency).mean(0))


mean = Reduction(_same, _same)
mean_abs = Reduction(abs, _same)
abs_mean = Reduction(_same, abs)

REDUCTIONS = {"mean": mean, "mean_abs": mean_abs, "abs_mean": abs_mean}
ORACLES = {"oracle_abs": abs_mean, "oracle_loss": mean}


def name_of(reduction: Reduction) -> str:
    """The name a run file stores."""
    return next(name for name, known in REDUCTIONS.items() if known is reduction)
