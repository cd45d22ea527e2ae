"""How relevance passes each operation of a network: prepares a copy of it for captum, which has rules for a few layers only.

What an operation does is tried on random numbers. One that only rearranges (each number that comes out is one that went in, or
0) passes relevance on as it passes gradients on. One that acts on every number alone passes relevance on unchanged, as captum
has it for ReLU. One that is affine, or scales with its inputs as pooling does, takes the ε rule.
"""

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.gates import Gate

REARRANGES, ALONE, SCALES = "rearranges", "acts on every number alone", "scales"
SMALL = 1e-12  # a smaller number passes no relevance on where the operation acts on every number alone


class Operation(nn.Module):
    """A call of a function, a method or a module that captum has no rule for, as a module that can have one.

    `tensors` are the nodes of the graph whose tensors carry relevance; `others`, such as sizes, are given by name.
    """

    def __init__(self, node: fx.Node, call: Any, tensors: list[fx.Node], alone: bool) -> None:
        super().__init__()
        self.call, self.given, self.tensors, self.alone = (call,), (node.args, node.kwargs), tensors, alone  # no child of it
        self.others = [source for source in node.all_input_nodes if source not in tensors]

    def forward(self, *tensors: Tensor, **others: Any) -> Tensor:
        """The result of the call."""
        known = dict(zip(self.tensors, tensors, strict=True)) | {node: others[node.name] for node in self.others}
        args, kwargs = fx.node.map_arg(self.given, known.__getitem__)
        result: Tensor = self.call[0](*args, **kwargs)
        if self.alone:
            (whole,) = tensors
            scaled = whole * torch.where(whole.abs() > SMALL, result / whole, 0).detach()
            return scaled + (result - scaled).detach()  # what 0 becomes is a bias, through which no relevance passes
        return result.clone() if result is tensors[0] else result


class Through(nn.Module):
    """Replaces a gate by a copy of its input: captum puts hooks on input and output, which must be two tensors."""

    def forward(self, activation: Tensor) -> Tensor:
        """A copy of the activation."""
        return activation.clone()


def prepared(model: fx.GraphModule, inputs: Tensor) -> fx.GraphModule:
    """A copy of a network with gates in which relevance can pass every operation; BadInput names one that it cannot pass.

    `inputs` are those of a single example. Every call of a module gets a module of its own, as captum wants it.
    """
    from captum.attr._utils.lrp_rules import EpsilonRule  # noqa: PLC0415 (not needed by other criteria, and slow to import)

    copied = copy.deepcopy(model)
    values = _Values(copied)
    values.run(inputs)
    called = set[Any]()
    for place, node in enumerate(list(copied.graph.nodes)):
        if node.op not in {"call_module", "call_function", "call_method"} or not _floats(values.of[node]):
            continue
        module = copied.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is not None and node.target in called:
            module = copy.deepcopy(module)
            node.target = f"call_{place}"
            copied.add_submodule(node.target, module)
        called.add(node.target)
        if isinstance(module, Gate):
            copied.set_submodule(str(node.target), Through())
            copied.get_submodule(str(node.target)).rule = EpsilonRule()
        elif module is None or not _known_to_captum(module):
            _replace(copied, node, values, f"operation_{place}")
    copied.delete_all_unused_submodules()
    copied.recompile()
    for module in copied.modules():
        if isinstance(module, Operation):
            module.rule = EpsilonRule()
    return copied


def _known_to_captum(module: nn.Module) -> bool:
    from captum.attr._core.lrp import SUPPORTED_LAYERS_WITH_RULES, SUPPORTED_NON_LINEAR_LAYERS  # noqa: PLC0415 (as above)

    return type(module) in SUPPORTED_LAYERS_WITH_RULES or type(module) in SUPPORTED_NON_LINEAR_LAYERS


class _Values(fx.Interpreter):
    """Runs a network, keeps the value of every node, and can run a node again on other numbers."""

    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.of: dict[fx.Node, Any] = {}

    def run_node(self, node: fx.Node) -> Any:
        self.of[node] = super().run_node(node)
        return self.of[node]

    def call(self, node: fx.Node) -> Any:
        """The function, method or module that a node calls."""
        if node.op == "call_module":
            return self.module.get_submodule(str(node.target))
        return getattr(Tensor, node.target) if isinstance(node.target, str) else node.target


def _floats(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def _replace(copied: fx.GraphModule, node: fx.Node, values: _Values, name: str) -> None:
    """Puts an Operation in the place of a call, unless it only rearranges and is no module."""
    sources = [source for source in node.all_input_nodes if source.op != "get_attr" and _floats(values.of[source])]
    if not sources:
        return
    kind = _kind(node, values, sources)
    if kind == REARRANGES and node.op != "call_module":
        return
    single = all(isinstance(values.of[place], Tensor) for place in (node, *sources))
    if not kind or not single:
        what = f"the {type(values.call(node)).__name__} {node.target}" if node.op == "call_module" else f"the operation {node}"
        raise BadInput(f"relevance has no rule for {what}")
    operation = Operation(node, values.call(node), sources, kind == ALONE)
    copied.add_submodule(name, operation)
    with copied.graph.inserting_after(node):
        new = copied.graph.call_module(name, tuple(sources), {other.name: other for other in operation.others})
    values.of[new] = values.of[node]
    node.replace_all_uses_with(new)
    copied.graph.erase_node(node)


@torch.no_grad()
def _kind(node: fx.Node, values: _Values, sources: list[fx.Node]) -> str:
    """REARRANGES, ALONE, SCALES, or nothing of these."""
    generator = torch.Generator().manual_seed(0)
    drawn = {
        source: _mapped(values.of[source], lambda leaf: torch.randn(leaf.shape, generator=generator)) for source in sources
    }

    def run(change: Any) -> list[Tensor]:
        known = values.of | {source: _mapped(value, change) for source, value in drawn.items()}
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
        return _floats(values.call(node)(*args, **kwargs))

    whole, given = run(torch.clone), torch.cat([leaf.flatten() for leaf in _floats(list(drawn.values()))])
    allowed = torch.cat([given, given.new_zeros(1)])
    if all(bool(torch.isin(leaf, allowed).all()) for leaf in whole):
        return REARRANGES
    if len(whole) == 1 and len(given) == whole[0].numel():
        order = torch.randperm(len(given), generator=generator).to(given.device)
        mixed = run(lambda leaf: leaf.flatten()[order].view(leaf.shape))
        if mixed[0].shape == whole[0].shape and _same(mixed[0].flatten(), whole[0].flatten()[order]):
            return ALONE
    nothing, twice = run(torch.zeros_like), run(lambda leaf: 2 * leaf)
    return SCALES if all(_same(b - o, 2 * (a - o)) for a, b, o in zip(whole, twice, nothing, strict=True)) else ""


def _mapped(value: Any, change: Any) -> Any:
    def fresh(leaf: Tensor) -> Tensor:
        return change(leaf).to(leaf) if leaf.is_floating_point() else leaf

    return tree.tree_map_only(Tensor, fresh, value)


def _same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=1e-3, atol=1e-4, equal_nan=True)
