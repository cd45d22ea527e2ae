"""Which criteria cannot be told apart: the difference of their agreements, paired over resampled examples."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from pruning_oracle.bench.scores import ORACLES
from pruning_oracle.reports.agreement.correlation import correlate, mean_over_sites, standard_ranks
from pruning_oracle.reports.agreement.resampling import FRESH, draws, reduce
from pruning_oracle.reports.inputs.read import Run

ORACLE = "oracle_abs"
WIDTH = 1.96  # standard errors on either side: 95 %
RESAMPLES = 200  # a standard deviation of so many is known to 5 %


@dataclass(frozen=True)
class Paired:
    """How agreements of criteria differ, per site on fresh examples, mean over seeds.

    Both criteria of a pair are scored on the same resampled fresh examples and compared with the same resampled oracle, so that
    what moves both cancels. Seeds are resampled on their own.
    """

    names: list[str]
    agreement: Float[np.ndarray, " criterion"]  # mean within-site Spearman; NaN where it is undefined
    errors: Float[np.ndarray, "criterion criterion"]  # the standard error of each difference of two agreements

    def behind(self, best: str) -> pd.DataFrame:
        """How far every criterion lies behind one of them.

        Returns:
            A row per criterion: `criterion`; `behind`, the best one's mean Spearman less its own, NaN where one is undefined;
            `low` and `high`, a 95 % interval; and `tied`, whether that interval holds 0 (of the best one itself it does).
        """
        place = self.names.index(best)
        distance, error = self.agreement[place] - self.agreement, WIDTH * self.errors[place]
        table = pd.DataFrame({"criterion": self.names, "behind": distance, "low": distance - error, "high": distance + error})
        return table.assign(tied=(table.low <= 0) & (table.high >= 0))


def paired(runs: list[Run]) -> Paired:
    """The differences of agreements of a case, whose runs are one per seed, of the same criteria."""
    names = list(runs[0].criteria.facts["criteria"])
    values, drawn = (np.mean(parts, axis=0) for parts in zip(*(_agreements(run, names) for run in runs), strict=True))
    return Paired(names, values, np.array([[_error(one - other) for other in drawn] for one in drawn]))


def _error(values: np.ndarray) -> float:
    """The standard deviation of those that are defined; NaN of fewer than two."""
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else float("nan")


def _agreements(run: Run, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean within-site Spearman of every criterion, `[criterion]`, and of its resamples, `[criterion, resample]`."""
    oracle, changes, errors = ORACLES[ORACLE], *([of(site) for site in run.sites] for of in (run.change, run.error))
    truth = [standard_ranks(site) for site in reduce(oracle, changes)]
    weights = draws(len(changes[0]), run.seed)[:RESAMPLES]
    resampled = [standard_ranks(site) for site in reduce(oracle, changes, weights, errors)]
    weights = draws(run.criteria.facts["fresh"]["examples"], run.seed + FRESH)[:RESAMPLES]
    values, drawn = np.empty(len(names)), np.empty((len(names), len(weights)))
    for place, name in enumerate(names):
        matrices = [run.saliency(name, site, "fresh") for site in run.sites]
        for scores, known, into in (
            (reduce(run.reduction(name), matrices), truth, values),
            (reduce(run.reduction(name), matrices, weights), resampled, drawn),
        ):
            into[place] = mean_over_sites([correlate(standard_ranks(a), b) for a, b in zip(scores, known, strict=True)])
    return values, drawn
