"""The figures of a criterion in a run that are compared with its baseline, and how they vary with the examples.

*Agreement* is what the report shows: the mean over sites of the within-site Spearman of a criterion's score on fresh examples
with oracle_abs. *Pair agreement* is the mean over sites of the Spearman, over all pairs of an example and a map, of saliency
and measured change of the loss, both signed, on shared examples. It needs a criterion that answers per example, and finds
mistakes that a score hides: `taylor` takes magnitudes, so a wrong sign would not change its agreement. *Joint loss*, where it
was measured, is what removing a quarter of each site costs when the criterion chooses, in nats; here less is better.

Each figure comes with bootstrap draws of the examples from fixed seeds, so that an old figure and a new one are resampled alike
and their difference is a paired one. A draw of pair agreement weights the pairs by their examples and keeps the ranks among all
examples: ranking the pairs of every draw anew would take a hundred times as long.
"""

from dataclasses import dataclass

import numpy as np

from pruning_oracle.bench.runs import digest
from pruning_oracle.bench.scores import ORACLES, Scores
from pruning_oracle.reports.agreement.correlation import correlate, mean_over_sites, standard_ranks
from pruning_oracle.reports.agreement.resampling import FRESH, draws, reduce
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.sets.quick import QuickSets

DRAWS = 200
AGREEMENT, PAIRS, JOINT = "agreement", "pair agreement", "joint loss"
FIGURES = (AGREEMENT, PAIRS, JOINT)
SMALLEST = 1e-9  # product of two rank variances, each 1 over all pairs, up to which a draw counts as constant


@dataclass(frozen=True)
class Figure:
    """A rank correlation at each `[site]`, NaN where undefined, and its mean over sites in each `[draw]` of the examples.

    A joint loss is of all sites together, and counts as one.
    """

    sites: np.ndarray
    draws: np.ndarray

    @property
    def value(self) -> float:
        """The mean over the sites where the correlation is defined."""
        return float(mean_over_sites(list(self.sites)))


Figures = dict[tuple[str, str], Figure]  # of one run, by criterion and name of the figure


@dataclass(frozen=True)
class Truth:
    """The oracle of a run as both figures need it, one array per site, and the draws of the examples."""

    scores: Scores  # ranks of oracle_abs over all examples, [map]
    drawn: Scores  # ranks of oracle_abs in each draw, [draw, map]
    pairs: Scores  # ranks of the change in loss among all pairs, [example, map]
    shared: np.ndarray  # weights of the shared examples, [draw, example]
    fresh: np.ndarray  # weights of the fresh examples, [draw, example]


def figures(run: Run, quick: QuickSets | None = None) -> Figures:
    """The figures of every criterion of a run; joint losses if they were measured."""
    truth = _truth(run)
    found: Figures = {}
    for criterion in run.criteria.facts["criteria"]:
        found[criterion, AGREEMENT] = _agreement(run, criterion, truth)
        found[criterion, PAIRS] = _pair_agreement(run, criterion, truth)
    return found | (_joint_losses(run, quick) if quick else {})


def _joint_losses(run: Run, quick: QuickSets) -> Figures:
    """The joint loss of the set of every criterion, its draws from the seed of the run."""
    drawn = draws(len(quick.joint), run.seed)[:DRAWS] @ quick.joint
    return {
        (one.chooser, JOINT): Figure(quick.joint[:, [place]].mean(0), drawn[:, place])
        for place, one in enumerate(quick.chosen)
        if one.chooser in run.criteria.facts["criteria"]
    }


def digest_of_draws(run: Run) -> str:
    """Checksum of the draws of a run; figures can be compared only if their checksums are equal."""
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
    """A criterion's saliencies, one matrix per site; None unless each has a column for every map."""
    matrices = [run.saliency(criterion, site, examples) for site in run.sites]
    maps = [len(score) for score in truth.scores]
    return matrices if all(matrix.shape[1:] == (count,) for matrix, count in zip(matrices, maps, strict=True)) else None


def _undefined(truth: Truth) -> Figure:
    return Figure(np.full(len(truth.scores), np.nan), np.full(DRAWS, np.nan))


def pair_ranks(saliency: np.ndarray) -> np.ndarray:
    """Ranks `[example, map]` among all pairs of an example and a map, with mean 0 and variance 1; a constant gives NaN."""
    return standard_ranks(saliency.ravel()).reshape(saliency.shape) * np.sqrt(saliency.size)


def _sums(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Means over maps `[example, 5]` of the terms of a correlation: both sides, their product and their squares."""
    return np.stack([part.mean(1) for part in (guess, truth, guess * truth, guess**2, truth**2)], 1)


def weighted(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation `[draw]` from `_sums` with example weights `[draw, example]`; NaN where either side is constant."""
    guess, truth, product, guess_square, truth_square = (weights @ sums).T
    spread = (guess_square - guess**2) * (truth_square - truth**2)
    covariance = product - guess * truth
    return np.divide(covariance, np.sqrt(np.abs(spread)), out=np.full_like(spread, np.nan), where=spread > SMALLEST)
