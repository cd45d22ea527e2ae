"""score(): what criteria guess of a case's maps, on the oracle's own examples and on others, as Guesses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs import load as load_file
from pruning_oracle.bench.scores import REDUCTIONS
from pruning_oracle.criteria.criterion import Criterion
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.into_files import score_into
from pruning_oracle.reports.inputs.read import EXAMPLES, filled_by
from pruning_oracle.reports.inputs.shapes import CRITERIA

KIND = "criteria"


@dataclass(frozen=True, repr=False)
class Guesses:
    """What criteria say of every map, on shared examples (the oracle's own) and on fresh ones.

    `file` holds the arrays and, as `facts`, everything about how they came to be.
    """

    file: RunFile

    @property
    def sites(self) -> dict[str, int]:
        """How many maps each site has, in the network's order."""
        return result.sites_of(self.file)

    @property
    def criteria(self) -> list[str]:
        """The names of the criteria."""
        return list(self.file.facts["criteria"])

    @property
    def left_out(self) -> dict[str, str]:
        """Criteria that are unavailable on this case, with the reasons."""
        return dict(self.file.facts["left_out_criteria"])

    def saliency(self, criterion: str, site: str, examples: str = "fresh") -> np.ndarray:
        """A criterion's saliency at a site, `[example, map]` or `[1, map]`, in the criterion's unit, before its reduction."""
        result.one_of(criterion, self.criteria, "criterion")
        result.one_of(site, self.sites, "site")
        return self.file.arrays[f"{result.one_of(examples, EXAMPLES, 'examples')}/{criterion}/{site}"].astype(np.float64)

    def scores(self, criterion: str, site: str, examples: str = "fresh") -> np.ndarray:
        """A criterion's score at a site, `[map]`: higher is more important."""
        reduction = REDUCTIONS[self.file.facts["criteria"][result.one_of(criterion, self.criteria, "criterion")]["reduce"]]
        return np.asarray(reduction(self.saliency(criterion, site, examples)))

    def frame(self, examples: str = "fresh") -> pd.DataFrame:
        """A row per map: `site`, `map`, and every criterion's score on `fresh` or `shared` examples, in its own unit."""
        parts = []
        for site, maps in self.sites.items():
            scores = {criterion: self.scores(criterion, site, examples) for criterion in self.criteria}
            parts.append(pd.DataFrame({"site": site, "map": np.arange(maps)} | scores))
        return pd.concat(parts, ignore_index=True)

    def plot(self) -> Figure:
        """A figure: which criteria rank maps alike, as Spearman within sites on fresh examples, a mean over sites."""
        scores = {name: [self.scores(name, site) for site in self.sites] for name in self.criteria}
        return figures.guesses(scores, result.measured_on(self.file.facts))

    def save(self, path: str | Path) -> Path:
        """Writes the guesses to a run file, which `read` and the command line take; BadInput if something else lies there."""
        return result.copied(self.file, KIND, path)

    def lines(self) -> list[str]:
        """What is to be known of the numbers, in sentences."""
        facts = self.file.facts
        counts = f"{facts['shared']['examples']} shared and {facts['fresh']['examples']} fresh examples{filled_by(self.file)}"
        lost = [f"unavailable: {name}, which needs {reason}" for name, reason in self.left_out.items()]
        return [f"{len(self.criteria)} criteria on {counts}", *lost, result.measured_on(facts)]

    def __repr__(self) -> str:
        return f"Guesses({'; '.join(self.lines())})"

    def _repr_html_(self) -> str:
        return result.as_html("Scores of criteria on fresh examples", self.lines(), self.frame())


def score(
    case: Case,
    criteria: str | Path | Criterion | Iterable[str | Path | Criterion] = "quick",
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    fresh: int | str | None = None,
    sample_seed: int | None = None,
    fill: str = ZERO,
    batch: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    precision: str = "float32",
    path: str | Path | None = None,
) -> Guesses:
    """Lets criteria score the maps of a case.

    Args:
        case: what `case` or `load` returned.
        criteria: names, `.py` files, functions marked `@criterion`, `"quick"` (all that cost little) or `"all"`.
        examples: how many training examples are the oracle's own (default: the case's number); give `measure` the same.
        rows: which ones instead, such as `range(100)` or `"0:100,200"`.
        fresh: how many others, or `"rest"` (default: as many).
        sample_seed: what they are drawn from (default: the case's seed).
        fill: what stands in a removed map's place in the truth that is guessed: `zero` (deletion),
            its `mean` over other training examples, or `resample`, the map of one of them.
        batch: examples per pass (default: what half of the memory holds, at most 128).
        memory: what activations and evidence may take, in bytes or as `"4GiB"`.
        device: `auto`, `cpu`, or what torch calls it.
        precision: `float32`, `float64`, `tf32` or `bfloat16`.
        path: a file for the result; what is up to date there is read and not scored again.

    Returns:
        The guesses. Criteria that are unavailable on this case are `left_out`, with the reason.

    Raises:
        BadInput: names what is wrong; a criterion that was asked for by name and is unavailable is wrong.

    Examples:
        >>> import pruning_oracle as po
        >>> guesses = po.score(po.load("vgg-digits"), ["taylor", "weight_l2"], examples=8, device="cpu")
        >>> guesses.saliency("taylor", "features.0").shape, guesses.saliency("weight_l2", "features.0").shape
        ((8, 8), (1, 8))
    """
    words = [criteria] if isinstance(criteria, (str, Path, Criterion)) else list(criteria)
    chosen = [str(word) if isinstance(word, Path) else word for word in words]
    given: dict[str, Any] = {"examples": examples, "rows": rows, "fresh": fresh, "sample_seed": sample_seed, "fill": fill}
    given |= {"batch": batch, "memory": memory, "device": device, "precision": precision}
    with result.place(path, "criteria.safetensors") as out:
        score_into(case, out, chosen, **given)
        return Guesses(result.checked(load_file(out, KIND), CRITERIA))
