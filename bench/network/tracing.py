"""A network as a graph of operations: by torch.fx, or by recording a pass where torch.fx fails; proven by equal outputs."""

import dataclasses
import inspect
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.immutable_collections import immutable_dict, immutable_list
from torch.utils import _pytree as tree

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.follow_parameters import follow_parameters, run_with_dtypes
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import MIXERS
from pruning_oracle.bench.network.out_of_place import out_of_place
from pruning_oracle.bench.network.recorded_graph import recorded_graph
from pruning_oracle.bench.network.seen_calls import in_eager_float32, own_functions

# the advice in messages about a network that cannot be followed
OWN_GATES = "put gates (pruning_oracle.bench.network.gates.Gate) into it where maps can be removed, and name them as sites"

ORDINARY = inspect.Parameter.POSITIONAL_OR_KEYWORD


class Tracer(fx.Tracer):
    """A tracer that keeps torch's own modules, gates and layers derived from those that mix maps as single operations."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Whether `module` stays a single operation."""
        return isinstance(module, (*MIXERS, Gate)) or super().is_leaf_module(module, name)

    def function_called(self, function: Callable[..., Any], run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The call of a user's own function on symbolic values as an operation, which keeps the gradient that it defines."""
        if any(isinstance(leaf, fx.Proxy) for leaf in tree.tree_leaves((args, kwargs))):
            return self.create_proxy("call_function", function, args, kwargs)
        return run(*args, **kwargs)


def trace(model: nn.Module, inputs: Tensor) -> fx.GraphModule:
    """The network as a graph of operations on its one input, none of them in place; BadInput if there is none.

    `model` comes from `plain_copy`; its modules become the graph's, and its hooks become operations. Further arguments of its
    forward pass take their defaults. `inputs` is a batch of at least two examples. The graph gives the model's outputs on
    them; if it was recorded, also on other examples, on four and on one, and holds to the size of the inputs.
    """
    inputs, name = inputs[:2], type(model).__name__
    for part in (part for part, _ in model.named_modules() if not part.isprintable() or set(part) & set('"\\')):
        raise BadInput(
            f"{name} cannot be traced: torch.fx writes names of modules into code, and {part!r} has a quote, a backslash or"
            " a control character: give it another name"
        )
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    graph = None if hooked else _by_fx(model, inputs)
    if graph is not None:
        return graph
    try:
        proofs = [(inputs, outputs_of(model, inputs)), *_more_examples(model, inputs)]
        graph = out_of_place(recorded_graph(model, inputs, Tracer().is_leaf_module))
        _, dtypes = run_with_dtypes(graph, inputs)
        different = ""
        for others, expected in proofs:
            unlike = difference(outputs_of(graph, others), expected)
            different = different or (unlike and f"{unlike} for a batch of {len(others)}")
    except BadInput as error:
        raise BadInput(f"{name} cannot be traced, since {error}: {OWN_GATES}") from error
    except Exception as error:  # whatever the model's own Python code raises
        raise BadInput(f"{name} cannot be traced ({first_line(error)}): {OWN_GATES}") from error
    if different:
        raise BadInput(f"{name} cannot be traced, since a recording of its forward pass gives {different}: {OWN_GATES}")
    return follow_parameters(graph, dtypes)


def _by_fx(model: nn.Module, inputs: Tensor) -> fx.GraphModule | None:
    """The network as torch.fx traces it; None if it cannot, or if its trace gives other outputs than the network."""
    try:
        inputs, expected = inputs[:1], outputs_of(model, inputs[:1])  # half the time that two examples take
    except Exception:  # many a network takes no single example
        expected = outputs_of(model, inputs)
    kind, kept = type(model), [(module, dict(module.__dict__)) for module in model.modules()]
    tracer = Tracer()
    try:
        if [taken.kind for taken in inspect.signature(kind.forward).parameters.values()] != 2 * [ORDINARY]:

            def forward(self: nn.Module, inputs: Any) -> Any:
                return kind.forward(self, inputs)

            model.__class__ = type(kind.__name__, (kind,), {"forward": forward})
        with in_eager_float32(), own_functions(tracer.function_called):
            traced = tracer.trace(model)
        graph = out_of_place(fx.GraphModule(tracer.root, traced, kind.__name__))
        ours, dtypes = run_with_dtypes(graph, inputs)
        return None if difference(ours, expected) else follow_parameters(graph, dtypes)
    except Exception:  # torch.fx raises whatever the model's own Python code raises on symbolic values
        return None
    finally:
        model.__class__ = kind
        for module, attributes in kept:  # the code may have left symbolic values in them
            module.__dict__.clear()
            module.__dict__.update(attributes)


@torch.no_grad()
def outputs_of(model: nn.Module, inputs: Tensor) -> Any:
    """What a network gives for a copy of the inputs, without gradients and without `torch.autocast`."""
    with in_eager_float32():
        return model(inputs.clone())


def difference(ours: Any, theirs: Any) -> str:
    """What is different about two outputs of a network, in a few words; nothing if they are equal up to rounding."""
    left, right = _leaves(ours), _leaves(theirs)
    if len(left) != len(right) or _type(ours) is not _type(theirs):
        return f"a {_type(ours).__name__} of {len(left)} in place of a {_type(theirs).__name__} of {len(right)}"
    for one, other in zip(left, right, strict=True):
        if isinstance(one, Tensor) != isinstance(other, Tensor):
            return "other outputs"
        if isinstance(one, Tensor):
            if one.shape != other.shape:
                return f"outputs of shape {tuple(one.shape)} in place of {tuple(other.shape)}"
            if not same_numbers(one, other):
                return "other outputs"
        elif not isinstance(one, (int, float, str, bool, type(None))):
            return f"a {type(one).__name__} among its outputs, which may be tensors, numbers and nests of them"
    return ""


def _leaves(value: Any) -> list[Any]:
    """The tensors and numbers of an output, those in dataclasses among them."""
    found = []
    for leaf in tree.tree_leaves(value):
        plain = dataclasses.is_dataclass(leaf) and not isinstance(leaf, type)
        found += _leaves([getattr(leaf, field.name) for field in dataclasses.fields(leaf)]) if plain else [leaf]
    return found


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape are equal up to rounding, relative to the largest number."""
    if not one.is_floating_point() or not one.numel():
        return torch.equal(one, other)
    largest = other.abs().nan_to_num(0.0, 0.0).max().item()
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5 * largest, equal_nan=True)


def _type(value: Any) -> type:
    """The type of a network's output; those of dictionaries and lists of torch.fx are those of Python."""
    alike: dict[Any, type] = {OrderedDict: dict, immutable_dict: dict, immutable_list: list}
    return alike.get(type(value), type(value))


def other_examples(inputs: Tensor) -> Tensor:
    """Other inputs of the same shape and type, whose numbers are drawn, by a fixed seed, from those of `inputs`."""
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(inputs.numel(), inputs.shape, generator=generator)
    return inputs.flatten()[places]


def _more_examples(model: nn.Module, inputs: Tensor) -> list[tuple[Tensor, Any]]:
    """Four examples, two of them new, and a single one, each with the network's outputs, where it takes them."""
    new = torch.cat([inputs, other_examples(inputs)])
    try:
        pairs = [(new, outputs_of(model, new))]
    except Exception:  # not any input is an input: take the given ones twice
        twice = torch.cat([inputs, inputs])
        pairs = [(twice, outputs_of(model, twice))]
    with suppress(Exception):  # many a network takes no single example
        pairs.append((inputs[:1], outputs_of(model, inputs[:1])))
    return pairs


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
