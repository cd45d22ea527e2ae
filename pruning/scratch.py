"""Trains a pruned network's architecture from new random weights by the case's own recipe, as a control for pruning."""

import dataclasses
from pathlib import Path

from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.setting import Finished, finished_before
from pruning_oracle.bench.training.from_scratch import ScratchRecipe, train_from_scratch
from pruning_oracle.pruning.cutting import network_file

KIND = "scratch"


def reset(model: nn.Module) -> nn.Module:
    """Gives every layer of a model, in place, new random weights as torch initialises them; returns the model.

    Raises BadInput for a module whose parameters torch cannot initialise.
    """
    for module in model.modules():
        if _starts(module):
            module.reset_parameters()  # type: ignore[operator]  # nn.Module types every attribute as Tensor or Module
    kept = [name for name, module in model.named_modules() if list(module.parameters(recurse=False)) and not _starts(module)]
    if kept:
        raise BadInput(f"{kept[0] or 'the network itself'} holds parameters that torch cannot draw anew")
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def _starts(module: nn.Module) -> bool:
    return callable(getattr(module, "reset_parameters", None))


def train_from_nothing(case: Case, source: str, seed: int) -> Case:
    """The case with its network trained from random weights; raises BadInput if the case has no recipe for that."""
    recipe = find(source).training
    if not isinstance(recipe, ScratchRecipe):
        raise BadInput(f"{case.name} has no training recipe, so its pruned network cannot be trained from nothing")
    own = dataclasses.replace(recipe, build=lambda: reset(case.model))
    return dataclasses.replace(case, model=train_from_scratch(own, seed, f"{case.name} from scratch"))


def run_scratch(network: Path, out: Path | None = None, source: str | None = None) -> Finished:
    """Trains the network of a file from nothing and writes its loss and accuracy to `out` (default: beside the network).

    Nothing is done where that is up to date. `source` is that of `load_network`.
    """
    path = out or runs.beside(network, ".scratch")
    runs.check_writable(path, runs.run_file(KIND))
    case, facts = network_file.load_network(network, source)
    setting = network_file.setting_of(case, facts, "pruning/scratch.py")
    if before := finished_before(path, KIND, setting):
        return before
    pruned = evaluate(case, case.test, range(len(case.test)))
    trained = train_from_nothing(case, case.source, case.seed)
    anew = evaluate(trained, case.test, range(len(case.test)))
    said = {name: dict(zip(("loss", "accuracy"), of, strict=True)) for name, of in (("pruned", pruned), ("scratch", anew))}
    done = setting | {"setting": runs.stamp(setting)} | said | runs.provenance()
    runs.save(path, KIND, {}, done)
    return Finished(path, done, False)
