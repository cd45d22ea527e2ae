"""measure(): the truth about a case, what removing each of its maps costs, as a Truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs import load as load_file
from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.into_files import measure_into
from pruning_oracle.reports.agreement.by_class import class_table
from pruning_oracle.reports.agreement.by_example import examples_of
from pruning_oracle.reports.agreement.noise_ceiling import MEAN, ceilings
from pruning_oracle.reports.agreement.tables import oracle_maps
from pruning_oracle.reports.inputs.read import change_of, error_of, filled_by
from pruning_oracle.reports.inputs.shapes import ORACLE

KIND = "oracle"


@dataclass(frozen=True, repr=False)
class Truth:
    """A measured or estimated oracle: the change in loss of every example when each map is removed, in nats.

    `file` holds the arrays and, as `facts`, everything about how they came to be.
    """

    file: RunFile

    @property
    def sites(self) -> dict[str, int]:
        """How many maps each site has, in the network's order."""
        return result.sites_of(self.file)

    @property
    def rows(self) -> np.ndarray:
        """The rows of the training set that were measured, `[example]`."""
        return self.file.arrays["rows"]

    def saliency(self, site: str) -> np.ndarray:
        """The change in loss at a site, `[example, map]` in nats: with the map removed minus with every map kept."""
        return change_of(self.file, result.one_of(site, self.sites, "site"))

    def frame(self) -> pd.DataFrame:
        """A row per map: `site`, `map`, `oracle_loss` (mean change, nats) with a 95 % interval over examples, `oracle_abs`."""
        return oracle_maps(self.file)

    def by_class(self) -> pd.DataFrame:
        """A row per map and class: the mean change in loss of the class's examples, nats, as `change`, with a 95 % interval.

        Columns: `site`, `map`, `class` (the label), `name`, `n` (examples of the class), `measured` (how many of them were:
        all, unless the oracle is estimated), `change`, `low` and `high`. The interval is Student's, for further examples of
        the class; it is NaN where a class has a single example, or one that an estimated oracle only predicts.

        Raises:
            BadInput: labels are not one whole number for each example.

        Examples:
            >>> import pruning_oracle as po
            >>> truth = po.measure(po.load("vgg-digits"), examples=40, budget=0.5, device="cpu")
            >>> table = truth.by_class()
            >>> bool((table.groupby(["site", "map"]).n.sum() == 40).all())
            True
        """
        return class_table(self.file)

    def examples(self, site: str, map: int) -> pd.DataFrame:
        """A row per example, the one that needs the map most first: `change` is that in its loss without the map, nats.

        Columns: `site`, `map`, `place` (from 1), `example` (its place in `rows`), `row` (of the training data), `class` and
        `name` where there are classes, `change`, and `measured` (false where an estimated oracle predicts it).

        Args:
            site: the name of a site.
            map: the number of one of its maps, from 0.

        Raises:
            BadInput: there is no such site or map.
        """
        count = self.sites[result.one_of(site, self.sites, "site")]
        if not 0 <= map < count:
            raise BadInput(f"site {site!r} has no map {map}: allowed are 0 to {count - 1}")
        return examples_of(self.file, site, map)

    def ceiling(self) -> float:
        """The noise ceiling of `oracle_abs`, a mean over sites: how well one half of the examples predicts the other's ranks.

        Between −1 and 1, Spearman–Brown corrected; NaN where no site has three maps.
        """
        changes, errors = ([of(self.file, site) for site in self.sites] for of in (change_of, error_of))
        return ceilings(list(self.sites), changes, ORACLES["oracle_abs"], self.file.facts["seed"], errors)[MEAN]

    def plot(self) -> Figure:
        """A figure: `oracle_loss` of every map with its interval, a panel per site, sorted."""
        return figures.truth(self.frame(), result.measured_on(self.file.facts))

    def save(self, path: str | Path) -> Path:
        """Writes the oracle to a run file, which `read` and the command line take; BadInput if something else lies there."""
        return result.copied(self.file, KIND, path)

    def lines(self) -> list[str]:
        """What is to be known of the numbers, in sentences."""
        facts = self.file.facts
        size = f"{sum(self.sites.values())} maps at {len(self.sites)} sites on {facts['examples']} training examples"
        estimated = facts.get("estimated")
        how = f"estimated from {estimated['share']:.1%} of the pairs" if estimated else "every pair measured"
        return [f"{size}{filled_by(self.file)}, {how}; noise ceiling {self.ceiling():.2f}", result.measured_on(facts)]

    def __repr__(self) -> str:
        return f"Truth({'; '.join(self.lines())})"

    def _repr_html_(self) -> str:
        return result.as_html("Oracle: change in loss when each map is removed, in nats", self.lines(), self.frame())


def measure(
    case: Case,
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    sample_seed: int | None = None,
    budget: float | str | None = None,
    until: str | None = None,
    engine: str = "replay",
    fill: str = ZERO,
    batch: int | None = None,
    memory: int | str | None = None,
    device: str = "auto",
    precision: str = "float32",
    path: str | Path | None = None,
) -> Truth:
    """Measures what removing each map of a case really costs: its oracle.

    Args:
        case: what `case` or `load` returned.
        examples: how many training examples, at least 3 (default: the case's number).
        rows: which training examples instead, such as `range(100)` or `"0:100,200"`.
        sample_seed: what the examples, and the pairs of an estimated oracle, are drawn from (default: the case's seed).
        budget: estimate instead of measuring: from a share of the (example, map) pairs such as `0.05`, or for so long, `"60s"`.
        until: estimate until `"spearman=0.98"` is likely, or until intervals have at most `"width=0.01"` nats.
        engine: `replay`, or `literal`, the slow definition.
        fill: what stands in a removed map's place: `zero` (deletion), its `mean` over other training examples, or `resample`,
            the map of one of them.
        batch: examples per pass (default: what half of the memory holds, at most 128).
        memory: what activations may take, in bytes or as `"4GiB"` (default 4 GiB; on a GPU half of its memory).
        device: `auto`, `cpu`, or what torch calls it.
        precision: `float32`, `float64`, `tf32` or `bfloat16`.
        path: a file for the result. Work that was interrupted goes on when it is given again, and what is up to date is read.

    Returns:
        The oracle.

    Raises:
        BadInput: names what is wrong, before anything is measured.

    Examples:
        >>> import pruning_oracle as po
        >>> truth = po.measure(po.load("vgg-digits"), examples=8, budget=0.25, device="cpu")
        >>> truth.saliency("features.0").shape
        (8, 8)
    """
    given: dict[str, Any] = {
        "examples": examples,
        "rows": rows,
        "sample_seed": sample_seed,
        "budget": budget,
        "until": until,
        "engine": engine,
        "fill": fill,
    }
    given |= {"batch": batch, "memory": memory, "device": device, "precision": precision}
    with result.place(path, "oracle.safetensors") as out:
        measure_into(case, out, **given, pictures=path is not None)
        return Truth(result.checked(load_file(out, KIND), ORACLE))
