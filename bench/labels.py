"""Labels: a tensor with one entry per example, or dicts, lists and tuples of such tensors, as a loss takes them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as tree
from torch.utils.data import default_collate

from pruning_oracle.bench.errors import BadInput

ALLOWED = "a number, a tensor, or dicts, lists and tuples of these"


class Ragged(list[Tensor]):
    """One tensor per example where their shapes differ, such as label sequences of several lengths."""


def collate(examples: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, Any]:
    """Joins pairs of input and label into one batch: inputs, and labels laid out as each label is.

    Tensors of one shape are stacked; where shapes differ, the loss gets a list with a tensor for each example. BadInput if
    inputs differ in shape, or if labels differ in layout or hold anything but numbers.
    """
    inputs, labels = zip(*examples, strict=True)
    shapes = dict.fromkeys(tuple(one.shape) for one in inputs)
    if len(shapes) > 1:
        raise BadInput(f"inputs of one data set must have one shape, but these differ: {', '.join(map(str, shapes))}")
    flat = [tree.tree_flatten(label) for label in labels]
    layout = flat[0][1]
    odd = [label for label, (_, own) in zip(labels, flat, strict=True) if own != layout]
    if odd:
        raise BadInput(
            f"labels of one data set must have one layout, but these differ: {_brief(labels[0])} and {_brief(odd[0])}"
        )
    columns = zip(*(leaves for leaves, _ in flat), strict=True)
    return default_collate(list(inputs)), tree.tree_unflatten([_joined(column) for column in columns], layout)


def _joined(column: Sequence[Any]) -> Tensor | Ragged:
    try:
        tensors = [torch.as_tensor(leaf) for leaf in column]
    except (TypeError, ValueError, RuntimeError) as error:  # how torch says that something is no number
        raise BadInput(f"a label holds {_brief(column[0])}; allowed is {ALLOWED}") from error
    if len({tensor.shape for tensor in tensors}) > 1:
        return Ragged(tensors)
    joined: Tensor = default_collate(list(column))
    return joined


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:40] + '…'} of type {type(value).__name__}"


def moved(labels: Any, device: torch.device, exact: torch.dtype) -> Any:
    """The labels on a device, floating-point ones as numbers of type `exact`."""

    def move(tensor: Tensor) -> Tensor:
        return tensor.to(device, exact) if tensor.is_floating_point() else tensor.to(device)

    return tree.tree_map(lambda leaf: Ragged(map(move, leaf)) if isinstance(leaf, Ragged) else move(leaf), labels)


def taken(labels: Any, examples: Tensor) -> Any:
    """The labels of these examples of a batch, in this order; an example may occur many times."""

    def take(leaf: Any) -> Any:
        return Ragged(leaf[place] for place in examples.tolist()) if isinstance(leaf, Ragged) else leaf[examples]

    return tree.tree_map(take, labels)


def are_classes(labels: Any) -> bool:
    """Whether labels are one whole number per example."""
    return isinstance(labels, Tensor) and labels.ndim == 1 and not (labels.is_floating_point() or labels.is_complex())


def classes_of(labels: Any) -> Tensor | None:
    """The labels of a batch on the CPU if they are one whole number per example, else None."""
    return labels.cpu() if are_classes(labels) else None


def joined_classes(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Several batches' `classes_of` as one tensor; None if any has none."""
    every = [part for part in parts if part is not None]
    return torch.cat(every) if every and len(every) == len(parts) else None


def described(value: Any) -> str:
    """The types and shapes of an output or of labels, for messages."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {described(part)}' for key, part in value.items())}}}"
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        return f"({', '.join(map(described, value))})"
    return f"a {type(value).__name__}"
