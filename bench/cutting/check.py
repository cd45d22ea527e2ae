"""Compares a network from which maps are deleted with the network in which gates remove them."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.gates import gated

CHECKED = 4  # examples on which outputs are compared
TOLERANCE = {"float64": 1e-9, "float32": 1e-5, "tf32": 1e-2, "bfloat16": 0.1}  # relative to the largest output or to 1


@torch.no_grad()
def comparison_batch(case: Case) -> Batch:
    """The first training examples, on which each pruned network is compared with the gated one."""
    return next(case.batches(case.train, range(min(CHECKED, len(case.train))), CHECKED))


@torch.no_grad()
def check_outputs(before: Case, after: Case, gone: Mapping[str, Collection[int]], batch: Batch) -> float:
    """The largest difference between outputs of `after`, without the maps in `gone`, and of `before`, with their gates at 0.

    It is relative to the largest output or to 1, whichever is larger. Raises BadInput above TOLERANCE.
    """
    gates = {}
    for site in before.sites:
        value = next(before.model.parameters()).new_ones(batch.examples, site.maps)
        value[:, list(gone.get(site.name, ()))] = 0
        gates[site] = value
    with gated(before.model, gates):
        expected, passed = _followed(before.model, batch.inputs)
    got, arrived = _followed(after.model, batch.inputs)
    worst = _difference(expected, got)
    if not worst <= TOLERANCE[before.precision]:
        said = (
            str(got).splitlines()[0]
            if isinstance(got, Exception) and str(got)
            else f"they differ by {worst:.1g} of the largest"
        )
        raise BadInput(
            f"{before.name}: the smaller network gives other outputs than the gated one; the first to differ is"
            f" {_first(passed, arrived)} ({said})"
        )
    return worst


def _followed(model: nn.Module, inputs: Tensor) -> tuple[Any, dict[str, Any]]:
    """A network's output, or the error that stopped it, and the outputs of all innermost modules that ran, by name."""
    passed: dict[str, Any] = {}
    hooks = [
        module.register_forward_hook(lambda module, args, output, name=name: passed.update({name: output}))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        return model(inputs), passed
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        return error, passed
    finally:
        for hook in hooks:
            hook.remove()


def _difference(expected: Any, got: Any) -> float:
    """The largest difference of two outputs, relative to the largest expected number or to 1; infinite if shapes differ."""
    ours, theirs = (
        [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        for value in (expected, got)
    )
    if not ours or [leaf.shape for leaf in ours] != [leaf.shape for leaf in theirs]:
        return float("inf")
    differences = [float((a - b).abs().max() / a.abs().max().clamp(min=1)) for a, b in zip(ours, theirs, strict=True)]
    return float("nan") if any(map(math.isnan, differences)) else max(differences)


def _first(passed: Mapping[str, Any], arrived: Mapping[str, Any]) -> str:
    """The first layer whose output is missing from `arrived`, or has the same shapes but other values."""
    for name, output in passed.items():
        if name not in arrived:
            return name
        shapes = [
            [leaf.shape for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)] for value in (output, arrived[name])
        ]
        if shapes[0] == shapes[1] and not _difference(output, arrived[name]) <= 1e-4:
            return name
    return "what follows the last layer"
