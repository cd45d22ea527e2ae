"""The reference of the Python interface: every name that the package offers, in groups."""

import pruning_oracle

RESULTS = ("Truth", "JointLosses", "BetterSets", "Interactions", "LayerSensitivity", "Guesses", "Agreement", "Pruned")
FUNCTIONS = (
    *("case", "load", "measure", "joint_loss", "random_sets", "score", "agreement", "prune", "read", "chosen_sets", "regrets"),
    *("better_sets", "interactions", "reference_sets", "datamodeling_scores", "additivity"),
    *("sensitivity_sets", "layer_sensitivity"),
)
CRITERIA = ("criterion", "Criterion", "Evidence", "PerExample", "mean", "mean_abs", "abs_mean")


def interface() -> str:
    """A directive of mkdocstrings for each name."""
    offered = set(pruning_oracle.__all__)
    functions = [name for name in FUNCTIONS if name in offered]
    rest = sorted(offered - {*functions, *RESULTS, *CRITERIA})
    groups = {"Functions": functions, "What they return": RESULTS, "Criteria": CRITERIA, "Types, errors and warnings": rest}
    parts = []
    for title, names in groups.items():
        parts += [f"## {title}", *(f"::: pruning_oracle.{name}" for name in names if name in offered)]
    return "\n\n".join(parts)
