"""The two figures that a criterion is held to in a run, and how they vary with the examples.

*Agreement* is what the report shows: the mean over sites of the within-site Spearman of a criterion's score on fresh examples
with oracle_abs. *Pair agreement* is the mean over sites of the Spearman, over all pairs of an example and a map, of saliency
and measured change of the loss, both signed, on shared examples. It needs a criterion that answers per example, and sees what
a score hides: `taylor` takes magnitudes, so a wrong sign would leave its agreement as it is.

Each comes with draws of the examples from fixed seeds, so that an old figure and a new one are resampled alike and their
difference is a paired one. A draw weights the pairs of its examples, whose ranks are those among all examples: to rank every
draw's pairs anew would take a hundred times as long.
"""

from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.runs import digest
from pruning_oracle.bench.scores import ORACLES, Scores
from pruning_oracle.reports.agreement.grade import FRESH, correlate, draws, mean_over_sites, reduce, standard_ranks
from pruning_oracle.reports.inputs.read import Run

DRAWS = 200
AGREEMENT, PAIRS = "agreement", "pair agreement"
FIGURES = (AGREEMENT, PAIRS)
SMALLEST = 1e-9  # a variance of ranks, 1 over all pairs, below which a draw is constant


@dataclass(frozen=True)
class Figure:
    """A rank correlation: at each site, NaN where it is undefined, and the mean over sites in every draw of the examples."""

    sites: np.ndarray
    draws: np.ndarray

    @property
    def value(self) -> float:
        """The mean over the sites where it is defined."""
        return float(mean_over_sites(list(self.sites)))


Figures = dict[tuple[str, str], Figure]  # of one run, by criterion and name of the figure


@dataclass(frozen=True)
class Truth:
    """The oracle of a run as both figures need it, one array per site, and the draws of the examples."""

    scores: Scores  # ranks of oracle_abs, [map]
    drawn: Scores  # and of its draws, [draw, map]
    pairs: Scores  # ranks of the change among all pairs, [example, map]
    shared: np.ndarray  # [draw, example]
    fresh: np.ndarray


def figures(run: Run) -> Figures:
    """Both figures of every criterion of a run."""
    truth = _truth(run)
    found: Figures = {}
    for criterion in run.criteria.facts["criteria"]:
        found[criterion, AGREEMENT] = _agreement(run, criterion, truth)
        found[criterion, PAIRS] = _pair_agreement(run, criterion, truth)
    return found


def digest_of_draws(run: Run) -> str:
    """Checksum of the draws of a run: figures can be paired only if it is the same."""
    return digest(dict(zip(("shared", "fresh"), _draws(run), strict=True)))


def _draws(run: Run) -> tuple[np.ndarray, np.ndarray]:
    shared = draws(run.oracle.facts["examples"], run.seed)[:DRAWS]
    return shared, draws(run.criteria.facts["fresh"]["examples"], run.seed + FRESH)[:DRAWS]


def _truth(run: Run) -> Truth:
    shared, fresh = _draws(run)
    changes, errors = ([of(site) for site in run.sites] for of in (run.change, run.error))
    oracle = ORACLES["oracle_abs"]
    scores, resampled = reduce(oracle, changes), reduce(oracle, changes, shared, errors)
    ranks = [[standard_ranks(site) for site in scores], [standard_ranks(site) for site in resampled]]
    return Truth(ranks[0], ranks[1], [pair_ranks(change) for change in changes], shared, fresh)


def _agreement(run: Run, criterion: str, truth: Truth) -> Figure:
    matrices = _saliencies(run, criterion, "fresh", truth)
    if matrices is None:
        return _undefined(truth)
    reduction, count = run.reduction(criterion), truth.fresh.shape[1]
    sites, resampled = [], []
    for matrix, known, redrawn in zip(matrices, truth.scores, truth.drawn, strict=True):
        score = standard_ranks(reduction(matrix))
        sites.append(correlate(score, known))
        guess = standard_ranks(reduction.after(truth.fresh @ reduction.before(matrix))) if len(matrix) == count else score
        resampled.append(correlate(guess, redrawn))
    return Figure(np.array(sites, dtype=float), mean_over_sites(resampled))


def _pair_agreement(run: Run, criterion: str, truth: Truth) -> Figure:
    matrices, count = _saliencies(run, criterion, "shared", truth), truth.shared.shape[1]
    if matrices is None or any(len(matrix) != count for matrix in matrices):
        return _undefined(truth)
    even = np.full((1, count), 1 / count)
    sums = [_sums(pair_ranks(matrix), known) for matrix, known in zip(matrices, truth.pairs, strict=True)]
    sites = np.concatenate([weighted(site, even) for site in sums])
    return Figure(sites, mean_over_sites([weighted(site, truth.shared) for site in sums]))


def _saliencies(run: Run, criterion: str, examples: str, truth: Truth) -> Scores | None:
    """A criterion's saliencies, if they have a column for every map."""
    matrices = [run.saliency(criterion, site, examples) for site in run.sites]
    maps = [len(score) for score in truth.scores]
    return matrices if all(matrix.shape[1:] == (count,) for matrix, count in zip(matrices, maps, strict=True)) else None


def _undefined(truth: Truth) -> Figure:
    return Figure(np.full(len(truth.scores), np.nan), np.full(DRAWS, np.nan))


def pair_ranks(saliency: np.ndarray) -> np.ndarray:
    """Ranks among all pairs of an example and a map, with mean 0 and variance 1; a constant gives NaN."""
    return standard_ranks(saliency.ravel()).reshape(saliency.shape) * np.sqrt(saliency.size)


def _sums(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Means over maps of what a correlation needs, `[example, 5]`."""
    return np.stack([part.mean(1) for part in (guess, truth, guess * truth, guess**2, truth**2)], 1)


def weighted(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation under each row of weights, `[draw, example]`; NaN where either side is constant."""
    guess, truth, product, guess_square, truth_square = (weights @ sums).T
    spread = (guess_square - guess**2) * (truth_square - truth**2)
    covariance = product - guess * truth
    return np.divide(covariance, np.sqrt(np.abs(spread)), out=np.full_like(spread, np.nan), where=spread > SMALLEST)
