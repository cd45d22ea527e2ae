"""Layer-wise relevance propagation at the gates, by captum, with the ε rule (Bach et al. 2015; for pruning Yeom et al. 2021).

In a network whose only nonlinearity is ReLU, the ε rule gives gradient × activation (Ancona et al. 2018, arXiv:1711.06104),
with the gradient of the label's score, not of the loss.
"""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.sources.attribution import attribution_per_map, captum_missing, gates_of, one_row

# functions and methods that mix numbers; others only rearrange them or are ReLU, for which plain gradients are right
MIXING = {"add", "iadd", "cat", "mean", "avg_pool2d", "adaptive_avg_pool2d", "max_pool2d"}


def unfit(case: Case) -> str:
    """Why captum cannot propagate relevance through a network, tried on one example; empty if it can."""
    batch = next(case.batches(case.train, [0], 1))
    if reason := captum_missing(case) or one_row(case):
        return reason
    if not isinstance(case.model, fx.GraphModule):
        return "it is not a traced network"
    with torch.no_grad():
        output = case.model(batch.inputs)
    if not (isinstance(output, Tensor) and output.ndim == 2 and int(batch.labels.max()) < output.shape[1]):
        return "its output is no score per class"
    try:
        relevances(case, batch)
    except (TypeError, RuntimeError, AssertionError) as error:  # captum's way to say that it has no rule for a layer
        return f"captum: {str(error).splitlines()[0]}"
    return ""


@source(unfit=unfit, most=64)
def gate_relevance(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Relevance of a map for the score of the example's label, summed over positions; 64 examples at most."""
    return by_batch(case, rows, size, "relevance", lambda block, batch: relevances(case, batch))


def relevances(case: Case, batch: Batch) -> list[Float[Tensor, "example map"]]:
    """One batch's relevances, site by site."""
    from captum.attr import LayerLRP  # noqa: PLC0415 (not needed by other criteria, and slow to import)

    model = prepared(case.model)
    gates = [gate for site in case.sites for gate in (model.get_submodule(name) for name in site.gates)]
    with differentiable(model):
        found = LayerLRP(model, gates).attribute(batch.inputs.clone().requires_grad_(), target=batch.labels)
    parts, result = iter(found), []
    for site in case.sites:
        result.append(attribution_per_map(case, site, [next(parts) for _ in gates_of(case, site)]))
    return result


def prepared(model: nn.Module) -> nn.Module:
    """A copy with the ε rule where captum has no rule: at gates, operations that mix numbers, 1d and 3d convolutions."""
    from captum.attr._utils.lrp_rules import EpsilonRule  # noqa: PLC0415 (not needed by other criteria)

    copied = copy.deepcopy(model)
    assert isinstance(copied, fx.GraphModule)
    for place, node in enumerate(list(copied.graph.nodes)):
        if node.op in {"call_function", "call_method"} and getattr(node.target, "__name__", node.target) in MIXING:
            copied.add_submodule(f"operation_{place}", Operation(node))
            with copied.graph.inserting_after(node):
                new = copied.graph.call_module(f"operation_{place}", tuple(node.all_input_nodes))
            node.replace_all_uses_with(new)
            copied.graph.erase_node(node)
    copied.recompile()
    for name, module in list(copied.named_modules()):
        if isinstance(module, (Gate, nn.Identity)):
            copied.set_submodule(name, Through())
        if isinstance(module, (Gate, nn.Identity, Operation, nn.Conv1d, nn.Conv3d)):
            copied.get_submodule(name).rule = EpsilonRule()
    return copied


class Operation(nn.Module):
    """A call of a function or method in the network as a module, which can have a rule."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__()
        self.call = getattr(torch.Tensor, node.target) if isinstance(node.target, str) else node.target
        self.given, self.sources = (node.args, node.kwargs), node.all_input_nodes

    def forward(self, *tensors: Tensor) -> Tensor:
        """The result of the call; `tensors` are its inputs in the order of the graph."""
        found = dict(zip(self.sources, tensors, strict=True))
        args, kwargs = fx.node.map_arg(self.given, found.__getitem__)
        result: Tensor = self.call(*args, **kwargs)
        return result


class Through(nn.Module):
    """Replaces a gate by a copy of its input: captum puts hooks on input and output, which must be two tensors."""

    def forward(self, activation: Tensor) -> Tensor:
        """A copy of the activation."""
        return activation.clone()
