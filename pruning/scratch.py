"""Trains a pruned network's architecture from new random weights by the case's own recipe, as a control for pruning."""

import dataclasses
from collections.abc import Sequence

from torch import nn

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.scores import shown
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with `arguments`, by default those of the command line."""
    parser = network_file.network_options("scratch", __doc__, ".scratch")
    given = parser.parse_args(arguments)
    case, facts, out = network_file.open_network(given, ".scratch", runs.run_file(KIND))
    setting = network_file.setting_of(case, facts, "pruning/scratch.py", given.source)
    if runs.is_current(out, KIND, setting):
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    before = evaluate(case, case.test, range(len(case.test)))
    trained = train_from_nothing(case, given.source or case.name, case.seed)
    loss, accuracy = evaluate(trained, case.test, range(len(case.test)))
    said = setting | {"setting": runs.stamp(setting), "pruned": dict(zip(("loss", "accuracy"), before, strict=True))}
    runs.save(out, KIND, {}, said | {"scratch": {"loss": loss, "accuracy": accuracy}} | runs.provenance())
    pruned, anew = shown(before[1], ".4f"), shown(accuracy, ".4f")
    print(f"{case.name} seed {case.seed}: accuracy {pruned} pruned, {anew} trained from nothing, in {out}")


if __name__ == "__main__":
    exit_with(main)
