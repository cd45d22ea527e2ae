"""The control of a pruned network: its architecture trained from nothing by the case's own recipe, with new random weights."""

import dataclasses

import torch
from torch import nn

from bench import runs
from bench.case import Case, find
from bench.command import describe
from bench.errors import BadInput, exit_with
from bench.evaluation import evaluate
from bench.training import fit
from pruning import network

KIND = "scratch"


def reset(model: nn.Module) -> nn.Module:
    """The same architecture with random weights, as torch initialises every layer."""
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


def train(case: Case, source: str, seed: int) -> Case:
    """The case with its network trained from nothing."""
    recipe = find(source).recipe
    if recipe is None:
        raise BadInput(f"{case.name} has no training recipe, so its pruned network cannot be trained from nothing")
    own = dataclasses.replace(recipe, build=lambda: reset(case.model))
    return dataclasses.replace(case, model=fit(own, seed, f"{case.name} from scratch"))


def main() -> None:
    """The command line."""
    parser = network.options("scratch", __doc__, ".scratch")
    given = parser.parse_args()
    case, facts, out = network.opened(given, ".scratch")
    before = evaluate(case, case.test, range(len(case.test)))
    trained = train(case, given.source or case.name, case.seed)
    loss, accuracy = evaluate(trained, case.test, range(len(case.test)))
    said = {"case": case.name, "seed": case.seed, "settings": facts["settings"], "threads": torch.get_num_threads()}
    said |= {"device": describe(case.device), "pruned": dict(zip(("loss", "accuracy"), before, strict=True))}
    runs.save(out, KIND, {}, said | {"scratch": {"loss": loss, "accuracy": accuracy}} | runs.provenance())
    print(f"{case.name} seed {case.seed}: accuracy {before[1]:.4f} pruned, {accuracy:.4f} trained from nothing, in {out}")


if __name__ == "__main__":
    exit_with(main)
