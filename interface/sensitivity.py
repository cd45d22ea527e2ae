"""sensitivity_sets() and layer_sensitivity(): joint loss against the share removed, site by site, as LayerSensitivity."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.runs.kinds import FIGURE, FORMAT, SENSITIVITY
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.joint import JointLosses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.reports.inputs.read import joined_run, shown_run
from pruning_oracle.reports.sets import sensitivity
from pruning_oracle.reports.sets.chosen import ChosenSet
from pruning_oracle.reports.sets.sensitivity import SHARES
from pruning_oracle.reports.sets.table import write_sets


@dataclass(frozen=True, repr=False)
class LayerSensitivity:
    """What it costs to remove a growing share of each site's maps alone, the lowest by each chooser's scores.

    `file` is that of the joint losses, with everything about how they came to be.
    """

    rows: pd.DataFrame
    file: RunFile

    def frame(self) -> pd.DataFrame:
        """A row per site, chooser and share: `maps` removed, `joint_loss` (nats) with `low` and `high` (95 %), `n` examples."""
        return self.rows.copy()

    def plot(self) -> Figure:
        """A figure: joint loss against the share of maps removed, a panel per site, a line per chooser with its interval."""
        return figures.layer_sensitivity(self.rows, result.measured_on(self.file.facts))

    def save(self, path: str | Path) -> Path:
        """Writes the rows as CSV, and the figure beside it as `.png`; BadInput if others' files lie there."""
        place, facts = Path(path), self.file.facts
        runs.check_writable(place.with_suffix(".png"), FIGURE)
        write_sets(place, self.rows, facts["case"], facts["seed"], SENSITIVITY)
        image = io.BytesIO()
        self.plot().savefig(image, format="png", dpi=150, metadata={"Software": FORMAT})
        runs.write_atomically(place.with_suffix(".png"), image.getvalue(), FIGURE)
        return place

    def lines(self) -> list[str]:
        """What is to be known of the numbers, in sentences."""
        choosers = ", ".join(self.rows.chooser.unique())
        count = f"{self.rows.site.nunique()} sites on {self.file.facts['examples']} training examples"
        return [f"{count}, maps removed by {choosers}", result.measured_on(self.file.facts)]

    def __repr__(self) -> str:
        return f"LayerSensitivity({'; '.join(self.lines())})"

    def _repr_html_(self) -> str:
        return result.as_html("Layer sensitivity: joint loss against the share removed, in nats", self.lines(), self.rows)


def sensitivity_sets(
    truth: Truth, guesses: Guesses, by: Sequence[str] | None = None, shares: Sequence[float] = SHARES
) -> list[ChosenSet]:
    """The lowest maps of each site alone, by the scores of some criteria or oracles, for a growing share.

    Args:
        truth: what `measure` returned; its matrix chooses as `oracle_abs`, `oracle_loss` and `oracle_mean_abs`.
        guesses: what `score` returned for the same case; criteria choose by their scores on fresh examples.
        by: who chooses (default: those of `taylor`, `weight_l2`, `oracle_mean_abs` and `random` that there are);
            `["all"]` is every criterion and oracle.
        shares: of a site's maps (default 0.1, 0.2, … 0.9); at least one map stays.

    Returns:
        The sets, each with its `chooser`, `scope` (the site), `share` and `maps`, which `joint_loss` takes.

    Raises:
        BadInput: the two are of different networks or examples, a name is unknown, or a share is out of bounds.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, rows=range(8), budget=0.25, device="cpu")
        >>> sets = po.sensitivity_sets(truth, po.score(case, "taylor", rows=range(8), device="cpu"), shares=[0.5])
        >>> [len(one.maps["features.0"]) for one in sets if one.scope == "features.0"]
        [4, 4]
    """
    facts = truth.file.facts
    run = shown_run(joined_run(truth.file, guesses.file, facts["case"], facts["seed"]))
    return sensitivity.sensitivity_sets(run, list(truth.sites), by, shares)


def layer_sensitivity(sets: Sequence[ChosenSet], losses: JointLosses) -> LayerSensitivity:
    """Joint loss against the share removed, site by site: which layers can spare maps, and how well each chooser knows them.

    Args:
        sets: what `sensitivity_sets` returned.
        losses: what `joint_loss` returned for their maps, best on examples that neither truth nor guesses saw.

    Returns:
        A table with intervals, and a figure.

    Raises:
        BadInput: the losses are of other sets.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, rows=range(8), budget=0.25, device="cpu")
        >>> sets = po.sensitivity_sets(truth, po.score(case, "taylor", rows=range(8), device="cpu"), ["taylor"], [0.5])
        >>> losses = po.joint_loss(case, [one.maps for one in sets], rows=range(100, 104), device="cpu")
        >>> len(po.layer_sensitivity(sets, losses).frame())
        13
    """
    if losses.sets != [MapSet.of(one.maps) for one in sets]:
        raise BadInput("the joint losses are of other sets: give joint_loss [one.maps for one in sets]")
    return LayerSensitivity(sensitivity.sensitivity_table(sets, losses.joint, losses.file.facts["seed"]), losses.file)
