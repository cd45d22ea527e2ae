"""The oracle's own matrix as a judge of sets, in many reductions, and on fewer examples."""

from collections.abc import Callable, Sequence

import numpy as np

from pruning_oracle.bench.scores import Scores, abs_mean, mean, mean_abs

PAPER = {"oracle_abs": abs_mean, "oracle_loss": mean, "oracle_mean_abs": mean_abs}  # those of `chosen_sets`


def root_mean_square(matrix: np.ndarray) -> np.ndarray:
    """Root of the mean square over examples: few examples with large changes count more."""
    return np.sqrt((matrix**2).mean(0))


def mean_positive(matrix: np.ndarray) -> np.ndarray:
    """Mean over examples of what a removal costs; what it gains counts as nothing."""
    return np.maximum(matrix, 0).mean(0)


def mean_squashed(matrix: np.ndarray) -> np.ndarray:
    """Mean of the roots of magnitudes: few examples with large changes count less."""
    return np.sqrt(np.abs(matrix)).mean(0)


def class_abs_mean(labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Mean over classes of the magnitude of each class's mean: changes cancel within a class and not between them."""

    def reduced(matrix: np.ndarray) -> np.ndarray:
        return np.mean([np.abs(matrix[labels == label].mean(0)) for label in np.unique(labels)], axis=0)

    return reduced


def judges(changes: Sequence[np.ndarray], labels: np.ndarray | None, few: Sequence[int]) -> dict[str, Scores]:
    """Scores of every map by the oracle's matrices, one `[example, map]` per site, by the name of the reduction.

    Beside the reductions of `chosen_sets`, those above; and the former once more on every second example (`_half`), and on the
    examples at `few` (`_few`).
    """
    reductions: dict[str, Callable[[np.ndarray], np.ndarray]] = dict(PAPER)
    reductions |= {"oracle_rms": root_mean_square, "oracle_positive": mean_positive, "oracle_squashed": mean_squashed}
    if labels is not None and len(np.unique(labels)) > 1:
        reductions["oracle_class_abs"] = class_abs_mean(labels)
    found = {name: [np.asarray(reduce(own)) for own in changes] for name, reduce in reductions.items()}
    for name, reduce in PAPER.items():
        found[f"{name}_half"] = [np.asarray(reduce(own[::2])) for own in changes]
        found[f"{name}_few"] = [np.asarray(reduce(own[list(few)])) for own in changes]
    return found
