"""Turns two recordings of a network, at different numbers of examples, into a graph of operations for any number.

Where the recordings differ in a whole number, it counts examples: it becomes a multiple of the input's length, plus a rest.
Where they differ in anything else, the network does something else for other numbers of examples, and is refused.
"""

import functools
import operator
from collections import OrderedDict
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.nan_safe import deform_conv2d
from pruning_oracle.bench.network.out_of_place import with_item
from pruning_oracle.bench.network.recording import Call, Recording, Source, record

# values that a graph of torch.fx can hold
PLAIN = (bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format, type(...))
HOLDER = "made_in_forward"  # prefix of the buffers that hold tensors which forward makes from nothing


def recorded_graph(model: nn.Module, inputs: Tensor, is_leaf: Callable[[nn.Module, str], bool]) -> fx.GraphModule:
    """The network as a graph, by recording it on two and on three examples; `inputs` holds at least two.

    BadInput where its operations depend on the values of the data, or on the number of examples. The modules of the graph are
    the model's own, and lose their hooks, which are operations of the graph now.
    """
    batches = [inputs[torch.arange(count) % len(inputs)].clone() for count in (2, 3)]
    first, second = (record(model, batch, is_leaf) for batch in batches)
    graph = _Graph(model, first, second).built()
    for module in graph.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks, module._backward_hooks, module._backward_pre_hooks):
            hooks.clear()
    return graph


class _Graph:
    """A graph that is being built from two recordings, on two and on three examples."""

    def __init__(self, model: nn.Module, first: Recording, second: Recording) -> None:
        self.model, self.first, self.second = model, first, second
        self.graph = fx.Graph()
        self.input = self.graph.placeholder("inputs")
        self.nodes: dict[Source, fx.Node] = {Source(): self.input}
        self.counts: dict[tuple[int, int], fx.Node] = {}
        self.constants: dict[str, Tensor] = {}

    def built(self) -> fx.GraphModule:
        """The finished graph."""
        for number, (call, other) in enumerate(zip_longest(self.first.calls, self.second.calls)):
            if call is None or other is None or call.target != other.target:
                raise _differ((call or other).line)
            if call.reads or not _equal(call.result, other.result):
                self.nodes[Source(number)] = self._call(call, other)
        self.graph.output(self._output())
        for name, value in self.constants.items():
            self.model.register_buffer(name, value)
        return fx.GraphModule(self.model, self.graph, type(self.model).__name__)

    def _output(self) -> Any:
        """What the network returns: of any type whose tensors `torch.utils._pytree` can find."""
        (leaves, spec), (others, _) = (tree.tree_flatten(recording.output) for recording in (self.first, self.second))
        if len(leaves) != len(others):
            raise _differ("what it returns")
        values = [self._value(leaf, other, "what it returns") for leaf, other in zip(leaves, others, strict=True)]
        if isinstance(self.first.output, (Source, tuple, list)) or type(self.first.output) in {dict, OrderedDict}:
            return tree.tree_unflatten(values, spec)

        def packed(*parts: Any) -> Any:
            return tree.tree_unflatten(list(parts), spec)

        return self.graph.call_function(packed, tuple(values))

    def _call(self, call: Call, other: Call) -> fx.Node:
        args = self._value(call.args, other.args, call.line)
        kwargs = self._value(call.kwargs, other.kwargs, call.line)
        if isinstance(call.target, str):
            return self.graph.call_module(call.target, args, kwargs)
        return self._operation(call.target, args, kwargs)

    def _operation(self, function: Any, args: Any, kwargs: Any) -> fx.Node:
        """A function as torch.fx would trace it: methods of tensors by their name, operators as functions of Python."""
        name = function.__name__
        if function is Tensor.__setitem__:
            return self.graph.call_function(with_item, args)
        if name == "__get__":
            return self.graph.call_function(getattr, (args[0], function.__self__.__name__))
        if getattr(Tensor, name, None) is function:
            if hasattr(operator, name):
                return self.graph.call_function(getattr(operator, name), args)
            return self.graph.call_method(name, args, kwargs)
        return self.graph.call_function(deform_conv2d if name == "deform_conv2d" else function, args, kwargs)

    def _value(self, value: Any, other: Any, line: str) -> Any:
        """An argument of a node, from what stands for it in the two recordings."""
        if isinstance(value, np.generic) and isinstance(other, np.generic):
            value, other = value.item(), other.item()
        if isinstance(value, (slice, tuple, list, dict)) and type(value) is type(other):
            return self._parts(value, other, line)
        if type(value) is int and type(other) is int and value != other:
            return self._count(value, other)
        if not _equal(value, other):
            raise _differ(line)
        if isinstance(value, (Source, Tensor)):
            return self._node(value) if isinstance(value, Source) else self._constant(value)
        if value is None or isinstance(value, PLAIN):
            return value
        raise BadInput(f"its forward pass passes on a {type(value).__name__}, {line}")

    def _parts(self, value: Any, other: Any, line: str) -> Any:
        """The same of a slice, tuple, list or dictionary."""
        if isinstance(value, slice):
            ends = [(value.start, other.start), (value.stop, other.stop), (value.step, other.step)]
            return slice(*(self._value(*pair, line) for pair in ends))
        if len(value) != len(other):
            raise _differ(line)
        if isinstance(value, dict):
            return {key: self._value(part, other.get(key), line) for key, part in value.items()}
        parts = [self._value(*pair, line) for pair in zip(value, other, strict=True)]
        return type(value)(*parts) if hasattr(value, "_fields") else parts if isinstance(value, list) else tuple(parts)

    def _node(self, source: Source) -> fx.Node:
        """The node that gives a tensor."""
        if source not in self.nodes:
            call = None if source.call is None else self.first.calls[source.call]
            if source.name is not None:
                self.nodes[source] = self.graph.get_attr(source.name)
            elif Source(source.call) in self.nodes:
                whole = self._node(Source(source.call, source.path[:-1]))
                self.nodes[source] = self.graph.call_function(operator.getitem, (whole, source.path[-1]))
            else:
                assert call is not None
                self.nodes[source] = self._constant(functools.reduce(operator.getitem, source.path, call.result))
        return self.nodes[source]

    def _constant(self, value: Tensor) -> fx.Node:
        name = f"{HOLDER}_{len(self.constants)}"
        self.constants[name] = value
        return self.graph.get_attr(name)

    def _count(self, value: int, other: int) -> fx.Node:
        """The number that is `value` for two examples and `other` for three, if it grows in a straight line."""
        each, rest = other - value, 3 * value - 2 * other
        if not self.counts:
            with self.graph.inserting_after(self.input):
                self.counts[1, 0] = self.graph.call_method("size", (self.input, 0))
        if (each, rest) not in self.counts:
            node = self.counts[1, 0]
            for function, number, neutral in ((operator.mul, each, 1), (operator.add, rest, 0)):
                if number != neutral:
                    with self.graph.inserting_after(node):
                        node = self.graph.call_function(function, (node, number))
            self.counts[each, rest] = node
        return self.counts[each, rest]


def _equal(value: Any, other: Any) -> bool:
    """Whether two values are the same, tensors by their numbers."""
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        same = value.shape == other.shape and value.dtype == other.dtype
        return same and torch.allclose(value, other, rtol=0, atol=0, equal_nan=True)
    if isinstance(value, (tuple, list)) and type(value) is type(other):
        return len(value) == len(other) and all(map(_equal, value, other))
    return type(value) is type(other) and bool(value == other)


def _differ(line: str) -> BadInput:
    return BadInput(f"its forward pass does something else for another number of examples, {line}")
