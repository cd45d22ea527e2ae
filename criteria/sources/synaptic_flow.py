"""The flow from an input of ones to the outputs of a network of magnitudes (SynFlow, Tanaka et al. 2020, arXiv:2006.05467)."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.criteria.evidence.filters import convolutions, filters
from pruning_oracle.criteria.evidence.passes import differentiable
from pruning_oracle.criteria.evidence.source import source


def unfit(case: Case) -> str:
    """Why a case has no input of ones; empty if it has."""
    inputs = next(case.batches(case.train, [0], 1)).inputs
    return "" if inputs.is_floating_point() else "its inputs are whole numbers, and ones would be the second word of a table"


@source(unfit=unfit, copies=6)
def synaptic_flow(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "one map"]]:
    """Sum of |weight × slope of the flow| over the filters that make a map, as a share of the whole flow; without data.

    The magnitudes are those of a copy in float64, in which flows of deep networks fit. BadInput if no flow reaches the
    output, or if it does not depend on the weights.
    """
    model = magnitudes(case.model)
    shape = next(case.batches(case.train, [0], 1)).inputs.shape
    weights = {name: model.get_submodule(name).get_parameter("weight") for name in convolutions(case)}
    with differentiable(model, list(weights.values())):
        outputs = tree.tree_leaves(model(torch.ones(shape, dtype=torch.float64)))
        flow = torch.stack([leaf.sum() for leaf in outputs if isinstance(leaf, Tensor) and leaf.requires_grad]).sum()
        if not flow:
            raise BadInput(f"{case.name}: no flow reaches the output")
        slopes = torch.autograd.grad(flow, list(weights.values()), allow_unused=True, materialize_grads=True)
    if not any(bool(slope.any()) for slope in slopes):  # as where a sigmoid or tanh is at its end
        raise BadInput(f"{case.name}: the flow does not change with any weight, since it saturates a layer")
    of = {model.get_submodule(name): slope for name, slope in zip(weights, slopes, strict=True)}

    def shares(module: nn.Module) -> Tensor:
        return (module.get_parameter("weight").detach() * of[module] / flow.detach()).abs()

    return {site.name: filters(model, site, shares).sum(1)[None] for site in case.sites}


def magnitudes(model: nn.Module) -> nn.Module:
    """A copy of a network on the CPU, in float64, in which every parameter and buffer is its magnitude."""
    copied = copy.deepcopy(model).to("cpu", torch.float64)
    with torch.no_grad():
        for value in copied.state_dict().values():
            value.abs_()
    return copied
