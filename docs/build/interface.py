"""The reference of the Python interface: every name that the package offers, in groups."""

import pruning_oracle

RESULTS = ("Truth", "Guesses", "Agreement", "Pruned")
CRITERIA = ("criterion", "Criterion", "Evidence", "PerExample", "mean", "mean_abs", "abs_mean")
BEFORE = ("bench.loading.load.load", "bench.case.Case", "bench.case.Site", "criteria.criterion.criterion")


def interface() -> str:
    """A directive of mkdocstrings for each name; before there is an interface, for a few functions of the stages."""
    offered = set[str](getattr(pruning_oracle, "__all__", ()))
    if not offered:
        return "\n\n".join(f"::: pruning_oracle.{name}" for name in BEFORE)
    functions = [name for name in ("case", "load", "measure", "score", "agreement", "prune", "read") if name in offered]
    rest = sorted(offered - {*functions, *RESULTS, *CRITERIA})
    groups = {"Functions": functions, "What they return": RESULTS, "Criteria": CRITERIA, "Types, errors and warnings": rest}
    parts = []
    for title, names in groups.items():
        parts += [f"## {title}", *(f"::: pruning_oracle.{name}" for name in names if name in offered)]
    return "\n\n".join(parts)
