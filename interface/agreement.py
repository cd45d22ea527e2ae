"""agreement(): how well guesses agree with the truth, by rank correlation with intervals and noise ceilings."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.interface import figures, result
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.truth import Truth
from pruning_oracle.reports.agreement.noise_ceiling import MEAN, small_sample
from pruning_oracle.reports.agreement.tables import agreement_table, maps_table
from pruning_oracle.reports.inputs.csvw import write_agreement
from pruning_oracle.reports.inputs.read import Run, fill_of, joined_run, shown_run
from pruning_oracle.reports.inputs.source import source
from pruning_oracle.reports.sections.section import CaseStudy
from pruning_oracle.reports.sections.summaries import summary


class SmallSampleWarning(UserWarning):
    """An oracle was measured on so few examples that agreement with it says little."""


@dataclass(frozen=True, repr=False)
class Agreement:
    """The agreement of every criterion with an oracle, in each scope and scaling, on shared and on fresh examples."""

    run: Run

    @cached_property
    def _rows(self) -> pd.DataFrame:
        return agreement_table(self.run)

    @cached_property
    def _study(self) -> CaseStudy:
        return CaseStudy(self.run.case, [self.run], self._rows, maps_table(self.run, "shared"))

    @property
    def ceiling(self) -> float:
        """The noise ceiling of `oracle_abs`, a mean over sites: a yardstick, not a bound."""
        return float(self._rows.query(f"scope == {MEAN!r} and oracle == 'oracle_abs'").ceiling.iloc[0])

    def frame(self) -> pd.DataFrame:
        """The rows of `agreement.csv`: one for each criterion, scope, scaling, oracle and set of examples.

        Columns: `case, seed, criterion, scope, scaling, oracle, examples, spearman, kendall, low, high` (a 95 % interval of
        Spearman over examples), `ceiling, maps, n`. An undefined correlation is NaN.
        """
        return self._rows.copy()

    def summary(self) -> pd.DataFrame:
        """A row per criterion, best first: what it costs in forward passes, and Spearman with `oracle_abs` as text."""
        return summary(self._study)

    def plot(self) -> Figure:
        """A figure: Spearman within sites of every criterion, with intervals, beside the noise ceiling."""
        return figures.agreement(self._study, result.measured_on(self.run.oracle.facts))

    def save(self, path: str | Path) -> Path:
        """Writes the rows as CSV, and beside it what they are and where they come from; BadInput if others' files lie there."""
        place = Path(path)
        write_agreement(place, self._rows, source([self.run]))
        return place

    def lines(self) -> list[str]:
        """What is to be known of the numbers, in sentences."""
        facts = self.run.oracle.facts
        said = f"{self.run.filled}{self.run.estimated}"
        how = f"oracle on {facts['examples']} training examples{said}, noise ceiling {self.ceiling:.2f}"
        return [f"Spearman with oracle_abs within each site, averaged over sites; {how}", result.measured_on(facts)]

    def __repr__(self) -> str:
        return f"Agreement({'; '.join(self.lines())})\n{self.summary().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return result.as_html("Agreement of criteria with the oracle", self.lines(), self.summary(), len(self.summary()))


def agreement(truth: Truth, guesses: Guesses) -> Agreement:
    """Grades guesses by the truth: rank correlation per site and over all sites, with intervals and noise ceilings.

    Args:
        truth: what `measure` returned.
        guesses: what `score` returned for the same case and the same shared examples.

    Returns:
        The agreement of every criterion.

    Raises:
        BadInput: the two are of different networks, examples, fills or definitions of the case.

    Warns:
        SmallSampleWarning: the oracle has fewer than 100 examples; the warning says the noise ceiling.

    Examples:
        >>> import pruning_oracle as po
        >>> case = po.load("vgg-digits")
        >>> truth = po.measure(case, examples=100, budget=0.1, device="cpu")
        >>> table = po.agreement(truth, po.score(case, ["taylor", "weight_l2"], examples=100, device="cpu"))
        >>> list(table.frame().criterion.unique())
        ['taylor', 'weight_l2']
    """
    facts, shared = truth.file.facts, guesses.file.facts["shared"]
    if facts["weights"] == guesses.file.facts["weights"] and facts["data"] != shared["data"]:
        counts = f"{facts['examples']} and {shared['examples']}"
        raise BadInput(
            f"truth and guesses are of different examples ({counts}): give measure and score the same examples, rows and"
            " sample_seed"
        )
    fills = [fill_of(one.file)["name"] for one in (truth, guesses)]
    if fills[0] != fills[1]:
        raise BadInput(f"the truth has fill {fills[0]!r} and the guesses {fills[1]!r}: give measure and score the same fill")
    found = Agreement(shown_run(joined_run(truth.file, guesses.file, facts["case"], facts["seed"])))
    if said := small_sample(facts["examples"], found.ceiling):
        warnings.warn(said, SmallSampleWarning, stacklevel=2)
    return found
