"""Refuses networks that no oracle can be measured on, before anything is measured, each with its true reason."""

import inspect
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.tracing import difference, first_line, other_examples, outputs_of, trace

LARGE = 1 << 14  # numbers in one example: of more, every fourth row and column is enough to see whether examples are coupled
WRAPPED = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


def check_kind(model: nn.Module) -> None:
    """Raises BadInput if the network is wrapped or compiled, or holds numbers that are not ordinary ones."""
    for name, module in model.named_modules():
        where, kind = name or "the model itself", type(module)
        if kind.__name__ in WRAPPED:
            raise BadInput(f"{where} is a {kind.__name__}: give the network inside, its .{WRAPPED[kind.__name__]}")
        if isinstance(module, torch.jit.ScriptModule):
            raise BadInput(f"{where} is compiled by TorchScript, which hides its layers: give the Python module it came from")
        if "quantized" in kind.__module__ and kind.__module__.startswith("torch."):
            raise BadInput(f"{where} is a quantized {kind.__name__}: give the network in floating point, before quantization")
        if module.training:
            raise BadInput(
                f"the model is in train mode ({where}): call model.eval(), since batch statistics would couple examples"
            )
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        reason = _odd(value)
        if reason:
            raise BadInput(f"the model's {name} {reason}")
    for name, value in model.named_parameters():
        if not bool(value.isfinite().all()):
            raise BadInput(f"the model's {name} holds numbers that are not finite")


def _odd(value: Tensor) -> str:
    if is_lazy(value):
        return "has no shape yet: run the model once, so that its lazy layers are made"
    if value.is_meta:
        return "is on the meta device and has no numbers: load its weights first"
    if value.is_quantized:
        return "is quantized: give the network in floating point, before quantization"
    if value.is_complex():
        return "is complex: only real networks are supported"
    return "" if value.layout is torch.strided else f"is stored as {value.layout}: make it dense, by .to_dense()"


def check_examples(model: nn.Module, inputs: Tensor) -> None:
    """Raises BadInput if the network fails on a batch of two of its examples, or does not judge each by itself alone.

    `model` comes from `plain_copy`. Its outputs for one example must not change with the other, nor when it is run again.
    """
    name = type(model).__name__
    needed = [
        parameter.name
        for parameter in inspect.signature(model.forward).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    if len(needed) > 1:
        raise BadInput(f"the forward pass of {name} needs {len(needed)} inputs ({', '.join(needed)}); an example has one")
    try:
        outputs = outputs_of(model, inputs)
    except Exception as error:  # a forward pass may raise anything
        shape = tuple(inputs.shape)
        raise BadInput(f"{name} fails on its own data, {inputs.dtype} of {shape}: {first_line(error)}") from error
    if inputs.ndim > 3 and inputs[0].numel() > LARGE:
        fewer = inputs[..., ::4, ::4]
        with suppress(Exception):  # then the whole inputs are taken
            inputs, outputs = fewer, outputs_of(model, fewer)
    exchanged, beside = _beside_another(model, inputs)
    if exchanged is None or _alone(outputs, beside):
        return
    if difference(outputs_of(model, inputs), outputs):
        raise BadInput(
            f"{name} gives other outputs when it is run again on the same inputs: it draws random numbers, or keeps a state"
            " between calls"
        )
    raise BadInput(
        f"{name} couples the examples of a batch{_place(model, inputs, exchanged)}: what it gives for an example changes with"
        " the others beside it, so that no loss is an example's own"
    )


def check_plain(model: nn.Module, plain: nn.Module, inputs: Tensor) -> None:
    """Raises BadInput if a network with hooks or computed weights gives other outputs than its copy by `plain_copy`.

    A network in another precision or on another device is not compared.
    """
    computed = dict(model.named_parameters()).keys() != dict(plain.named_parameters()).keys()
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    usual = all(value.device.type == "cpu" and value.dtype is torch.float32 for value in model.parameters())
    if (computed or hooked) and usual and difference(outputs_of(plain, inputs), outputs_of(model, inputs)):
        raise BadInput(
            f"a copy of {type(model).__name__} gives other outputs: a hook holds on to the network itself, or computes a weight"
            " from the data; write it into the forward pass"
        )


def _beside_another(model: nn.Module, inputs: Tensor) -> tuple[Tensor | None, Any]:
    """The first example beside another than the second, with the network's outputs; None where it takes no such example."""
    other = other_examples(inputs)[1:2]
    for example in (2 * other, other) if inputs.is_floating_point() else (other,):
        exchanged = torch.cat([inputs[:1], example])
        try:
            return exchanged, outputs_of(model, exchanged)
        except Exception:  # noqa: S112 (not any input is an input)
            continue
    return None, None


def _alone(outputs: Any, beside: Any) -> bool:
    """Whether, of two batches with the same first example, outputs are the same for it.

    They may lie along any axis; single numbers, such as a penalty that is returned beside them, do not count.
    """
    if isinstance(outputs, (tuple, list)) and len(outputs) == 2 and not difference(outputs[0], beside[0]):
        return True  # one output per example
    pairs = list(zip_longest(tree.tree_leaves(outputs), tree.tree_leaves(beside)))
    tensors = [(one, other) for one, other in pairs if isinstance(one, Tensor) and isinstance(other, Tensor)]
    tensors = [pair for pair in tensors if pair[0].ndim] or tensors
    return all(one.shape == other.shape and _same_half(one, other) for one, other in tensors)


def _same_half(one: Tensor, other: Tensor) -> bool:
    if one.equal(other):
        return True
    atol = 1e-6 * float(one.abs().nan_to_num(0.0, 0.0).max()) if one.is_floating_point() and one.numel() else 0.0
    for axis, size in enumerate(one.shape):
        first, second = (leaf.narrow(axis, 0, size // 2) for leaf in (one, other))
        if size and size % 2 == 0 and torch.allclose(first, second, rtol=1e-5, atol=atol, equal_nan=True):
            return True
    return False


def _place(model: nn.Module, inputs: Tensor, exchanged: Tensor) -> str:
    """The first operation behind which more than half of the numbers change with one of two examples, for a message."""
    try:
        graph = trace(model, inputs)
        values = [_values(graph, batch) for batch in (inputs, exchanged)]
    except Exception:  # then it stays unnamed
        return ""
    for node in graph.graph.nodes:
        one, other = (run.get(node) for run in values)
        if one is None or other is None or node.op == "placeholder":
            continue
        if one.shape != other.shape or 2 * int((one != other).sum()) > one.numel():
            if node.op != "call_module":
                return f" in {getattr(node.target, '__name__', node.target)} (operation {node})"
            module: Any = graph.get_submodule(str(node.target))
            lacking = isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None
            kind = f"{type(module).__name__} without running statistics" if lacking else type(module).__name__
            return f" in {node.target} ({kind})"
    return ""


@torch.no_grad()
def _values(graph: fx.GraphModule, inputs: Tensor) -> dict[fx.Node, Tensor]:
    values: dict[fx.Node, Tensor] = {}

    class Keeping(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            value = super().run_node(node)
            if isinstance(value, Tensor):
                values[node] = value
            return value

    Keeping(graph).run(inputs.clone())
    return values
