"""Pruning Oracle: what removing each feature map of a convolutional network costs, and how well pruning criteria guess it.

The functions here are the whole pipeline: `case` or `load`, `measure`, `joint_loss`, `score`, `agreement`, `prune`, `read`.
They are imported when they are first used, so that `import pruning_oracle` loads nothing else.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pruning_oracle.bench.case import Case, LeftOut, Site
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.map_set import MapSet, random_sets
    from pruning_oracle.bench.network.gates import Gate
    from pruning_oracle.bench.scores import abs_mean, mean, mean_abs
    from pruning_oracle.criteria.criterion import Criterion, criterion
    from pruning_oracle.criteria.evidence.evidence import Evidence, PerExample
    from pruning_oracle.interface.agreement import Agreement, SmallSampleWarning, agreement
    from pruning_oracle.interface.better import BetterSets, better_sets
    from pruning_oracle.interface.cases import case, load
    from pruning_oracle.interface.chosen import chosen_sets, regrets
    from pruning_oracle.interface.guesses import Guesses, score
    from pruning_oracle.interface.interactions import Interactions, interactions
    from pruning_oracle.interface.joint import JointLosses, joint_loss
    from pruning_oracle.interface.pruned import Pruned, StoppedEarlyWarning, prune
    from pruning_oracle.interface.reading import read
    from pruning_oracle.interface.reference import additivity, datamodeling_scores, reference_sets
    from pruning_oracle.interface.sensitivity import LayerSensitivity, layer_sensitivity, sensitivity_sets
    from pruning_oracle.interface.truth import Truth, measure
    from pruning_oracle.reports.citation import bibtex
    from pruning_oracle.reports.sets.chosen import ChosenSet
    from pruning_oracle.reports.sets.reference import ReferenceSet

_PLACES = {  # the same once more for the running program: where each name lies; a test holds both alike
    "bench.case": ("Case", "LeftOut", "Site"),
    "bench.errors": ("BadInput",),
    "bench.map_set": ("MapSet", "random_sets"),
    "bench.network.gates": ("Gate",),
    "bench.scores": ("abs_mean", "mean", "mean_abs"),
    "criteria.criterion": ("Criterion", "criterion"),
    "criteria.evidence.evidence": ("Evidence", "PerExample"),
    "interface.agreement": ("Agreement", "SmallSampleWarning", "agreement"),
    "interface.better": ("BetterSets", "better_sets"),
    "interface.cases": ("case", "load"),
    "interface.chosen": ("chosen_sets", "regrets"),
    "interface.guesses": ("Guesses", "score"),
    "interface.interactions": ("Interactions", "interactions"),
    "interface.joint": ("JointLosses", "joint_loss"),
    "interface.pruned": ("Pruned", "StoppedEarlyWarning", "prune"),
    "interface.reading": ("read",),
    "interface.reference": ("additivity", "datamodeling_scores", "reference_sets"),
    "interface.sensitivity": ("LayerSensitivity", "layer_sensitivity", "sensitivity_sets"),
    "interface.truth": ("Truth", "measure"),
    "reports.citation": ("bibtex",),
    "reports.sets.chosen": ("ChosenSet",),
    "reports.sets.reference": ("ReferenceSet",),
}
_FOUND_IN = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Agreement",
    "BadInput",
    "BetterSets",
    "Case",
    "ChosenSet",
    "Criterion",
    "Evidence",
    "Gate",
    "Guesses",
    "Interactions",
    "JointLosses",
    "LayerSensitivity",
    "LeftOut",
    "MapSet",
    "PerExample",
    "Pruned",
    "ReferenceSet",
    "Site",
    "SmallSampleWarning",
    "StoppedEarlyWarning",
    "Truth",
    "abs_mean",
    "additivity",
    "agreement",
    "better_sets",
    "bibtex",
    "case",
    "chosen_sets",
    "criterion",
    "datamodeling_scores",
    "interactions",
    "joint_loss",
    "layer_sensitivity",
    "load",
    "mean",
    "mean_abs",
    "measure",
    "prune",
    "random_sets",
    "read",
    "reference_sets",
    "regrets",
    "score",
    "sensitivity_sets",
]


def __getattr__(name: str) -> Any:
    """Imports what is asked for."""
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_FOUND_IN[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if sys.argv[:1] == ["-m"] and any(word.split(".")[0] == __name__ for word in sys.orig_argv):  # a command of the suite starts
    from pruning_oracle.bench.terminal import end_quietly_while_starting

    end_quietly_while_starting()
