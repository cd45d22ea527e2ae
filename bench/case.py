"""The words every stage shares, types alone: Batch, Site, LeftOut, Case."""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils import _pytree as tree
from torch.utils.data import DataLoader, Subset

from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.device import PRECISIONS, choose_device
from pruning_oracle.bench.errors import BadInput, unknown

Loss = Callable[[Any, Int[Tensor, " example"]], Float[Tensor, " example"]]


@dataclass(frozen=True)
class Batch:
    """Some examples: their inputs and their labels."""

    inputs: Tensor
    labels: Int[Tensor, " example"]


@dataclass(frozen=True)
class Site:
    """Feature maps that can be removed one by one: the convolutions that make them, the gates that remove them.

    `channels` gives, for each convolution, the map that each of its output channels belongs to (−1: none of this site's).
    """

    name: str
    maps: int
    convolutions: tuple[str, ...]
    gates: tuple[str, ...]
    channels: tuple[tuple[int, ...], ...] = field(repr=False)


@dataclass(frozen=True)
class LeftOut:
    """Maps of a convolution that belong to no site, and why removing one would not be deleting it."""

    convolution: str
    maps: int
    reason: str


@dataclass(frozen=True)
class Case:
    """A trained model in eval mode with its gates, its data, a loss per example, and its sites."""

    model: nn.Module
    sites: tuple[Site, ...]
    left_out: tuple[LeftOut, ...]
    train: Examples
    test: Examples
    loss: Loss
    examples: int  # training examples the oracle uses
    why: str  # why that many
    name: str = "unnamed"
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "float32"

    def to(self, device: str, precision: str) -> "Case":
        """A copy of the case on a device, in a precision: `tf32` is float32 whose products a GPU rounds to 10 bits.

        In `bfloat16` the network computes in that type, and the loss in float32 from its outputs.
        """
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        place = choose_device(device)
        if precision == "tf32" and place.type != "cuda":
            raise BadInput("precision 'tf32' is a GPU's: on a CPU choose float32, float64 or bfloat16")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        model = copy.deepcopy(self.model).to(place, PRECISIONS[precision])
        loss = _in_float32(self.loss) if precision == "bfloat16" else self.loss
        return dataclasses.replace(self, model=model, loss=loss, device=place, precision=precision)

    def losses(self, batch: Batch) -> Float[Tensor, " example"]:
        """Loss of every example of a batch, in nats; refuses a loss that is not one number per example."""
        return self.checked(self.loss(self.model(batch.inputs), batch.labels), batch)

    def checked(self, loss: Tensor, batch: Batch) -> Float[Tensor, " example"]:
        """A batch's loss, if it is one number per example."""
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        if shape != (len(batch.labels),):
            raise BadInput(f"{self.name}: the loss is {shape}; it must give one number per example, ({len(batch.labels)},)")
        return loss

    def site(self, name: str) -> Site:
        """The site of that name."""
        for site in self.sites:
            if site.name == name:
                return site
        raise unknown("site", name, [site.name for site in self.sites])

    def batches(self, data: Examples, rows: Sequence[int], size: int) -> Iterator[Batch]:
        """The examples of those rows, in that order, `size` at a time, on the case's device in its precision."""
        part: Subset[Any] = Subset(data, rows)  # type: ignore[arg-type]  # torch asks for its own base class, not for what it uses
        for inputs, labels in DataLoader(part, batch_size=size):
            exact = PRECISIONS[self.precision] if inputs.is_floating_point() else inputs.dtype
            yield Batch(inputs.to(self.device, exact), labels.to(self.device))

    def split(self, examples: int | None = None) -> tuple[list[int], list[int]]:
        """Rows of the training set: the oracle's `shared` examples, and as many `fresh` ones that it never sees.

        Both come from one permutation drawn from the seed; each is sorted, so the order is fixed and files are read in order.
        """
        wanted = self.examples if examples is None else examples
        size = len(self.train)
        if not 3 <= wanted <= size - 3:
            raise BadInput(
                f"{self.name}: {wanted} examples asked for; allowed are 3 to {size - 3} (3 of {size} must stay fresh)"
            )
        order = torch.randperm(size, generator=torch.Generator().manual_seed(self.seed)).tolist()
        return sorted(order[:wanted]), sorted(order[wanted : 2 * wanted])


def _in_float32(loss: Loss) -> Loss:
    """The same loss, of outputs turned into float32 first."""

    def converted(output: Any, labels: Tensor) -> Tensor:
        return loss(tree.tree_map_only(Tensor, lambda leaf: leaf.float() if leaf.is_floating_point() else leaf, output), labels)

    return converted
