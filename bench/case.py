"""The types that every stage shares: Batch, Site, LeftOut and Case."""

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

from pruning_oracle.bench import labels as of_examples
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.device import PRECISIONS, check_precision, choose_device
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.fill import Fill
from pruning_oracle.bench.runs.bounds import SEED

# (model's output, labels) -> loss of every example, in nats
Loss = Callable[[Any, Any], Float[Tensor, " example"]]
Check = Callable[[Any, Any], None]  # of the same; raises BadInput
LOSS_TYPES = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Batch:
    """The inputs and labels of some examples; labels are laid out as those of the data set are (see `bench/labels.py`).

    `partners` are the inputs of the examples whose maps stand in for removed ones, where the case's fill takes samples.
    """

    inputs: Tensor
    labels: Any
    partners: Tensor | None = None

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return len(self.inputs)

    def labels_of(self, examples: Int[Tensor, " pair"]) -> Any:
        """The labels of these examples of the batch, in this order; an example may occur many times."""
        return of_examples.taken(self.labels, examples)


@dataclass(frozen=True)
class Site:
    """A group of feature maps that can be removed one by one, by gates.

    `convolutions` names the modules that make the maps, `gates` the modules that remove them. `channels` gives, for each
    convolution, the map that each of its output channels belongs to (−1: none of this site's).
    """

    name: str
    maps: int
    convolutions: tuple[str, ...]
    gates: tuple[str, ...]
    channels: tuple[tuple[int, ...], ...] = field(repr=False)


@dataclass(frozen=True)
class LeftOut:
    """Maps of a convolution that belong to no site: how many, and why a gate at 0 would not equal deleting one of them."""

    convolution: str
    maps: int
    reason: str


def fits_any(output: Any, labels: Any) -> None:
    """The default check of a case's outputs and labels: does nothing."""


@dataclass(frozen=True, repr=False)
class Case:
    """A trained model in eval mode with gates, its sites, its data, and a loss per example.

    `check` raises BadInput if outputs and labels do not fit the loss. It is called once per batch, since it may wait for the
    device; engines call `loss` alone.
    """

    model: nn.Module
    sites: tuple[Site, ...]
    left_out: tuple[LeftOut, ...]
    train: Examples
    test: Examples
    loss: Loss
    examples: int  # how many training examples the oracle uses
    why: str  # the reason for that number
    check: Check = fits_any
    name: str = "unnamed"
    seed: int = 0
    source: str = ""  # what a command calls the case, by which its definition is found; empty if it was made in Python
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "float32"
    fill: Fill | None = None  # what stands in the place of removed maps where they are measured; None: zeros

    def __repr__(self) -> str:
        maps, lost = sum(site.maps for site in self.sites), sum(out.maps for out in self.left_out)
        counts = f"{maps} maps at {len(self.sites)} sites, {lost} left out; {len(self.train)} and {len(self.test)} examples"
        return f"Case({self.name} seed {self.seed}: {counts}; {self.precision} on {self.device.type})"

    def to(self, device: str, precision: str) -> "Case":
        """A copy of the case on a device (see `choose_device`), in a precision (a key of `PRECISIONS`).

        `tf32` is float32 whose products a GPU rounds to 10 bits; torch's switches for it are set for the whole process.
        In `bfloat16` the network computes in that type, and the loss is computed in float32 from its outputs.
        """
        place = choose_device(device)
        check_precision(precision, place)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        model = copy.deepcopy(self.model).to(place, PRECISIONS[precision])
        loss = _in_float32(self.loss) if precision == "bfloat16" else self.loss
        return dataclasses.replace(self, model=model, loss=loss, device=place, precision=precision)

    def losses(self, batch: Batch) -> Float[Tensor, " example"]:
        """Loss of every example of a batch, in nats; BadInput if the case's loss is not one number per example."""
        return self.losses_of(self.model(batch.inputs), batch)

    def losses_of(self, output: Any, batch: Batch) -> Float[Tensor, " example"]:
        """Loss of every example of a batch, in nats, from the model's output for it.

        BadInput if the loss fails, or if it is not one float32 or float64 number per example.
        """
        self.check(output, batch.labels)
        try:
            loss = self.loss(output, batch.labels)
        except (BadInput, torch.OutOfMemoryError):
            raise
        except Exception as error:  # the loss is the user's code
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            given = f"an output {of_examples.described(output)} and labels {of_examples.described(batch.labels)}"
            raise BadInput(f"the loss fails on {given}: {reason}") from error
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        if shape != (batch.examples,):
            raise BadInput(f"the loss is {shape}; it must give one number per example, ({batch.examples},)")
        if loss.dtype not in LOSS_TYPES:
            allowed = " or ".join(map(str, LOSS_TYPES))
            raise BadInput(f"the loss is of type {loss.dtype}; its numbers must be {allowed}")
        return loss

    def site(self, name: str) -> Site:
        """The site called `name`; BadInput if there is none."""
        for site in self.sites:
            if site.name == name:
                return site
        raise unknown("site", name, [site.name for site in self.sites])

    def batches(self, data: Examples, rows: Sequence[int], size: int) -> Iterator[Batch]:
        """Batches of `size` examples: those of `data` at `rows`, in that order, on the case's device and in its precision.

        Whole numbers keep their type. Floating-point labels have the type in which the loss is computed: float64 in that
        precision, else float32. Training examples have their partners, if samples stand in for removed maps.
        """
        part: Subset[Any] = Subset(data, rows)  # type: ignore[arg-type]  # torch's types ask for its Dataset, needlessly
        exact = PRECISIONS[self.precision]
        loss_type = torch.float64 if exact == torch.float64 else torch.float32
        for start, (inputs, labels) in enumerate(DataLoader(part, batch_size=size, collate_fn=of_examples.collate)):
            moved = inputs.to(self.device, exact if inputs.is_floating_point() else inputs.dtype)
            own = rows[start * size : (start + 1) * size]
            yield Batch(moved, of_examples.moved(labels, self.device, loss_type), self._partners(data, own))

    def _partners(self, data: Examples, rows: Sequence[int]) -> Tensor | None:
        """The inputs of the partners of the training examples at `rows`, if the fill takes samples."""
        if self.fill is None or not self.fill.samples or data is not self.train:
            return None
        without = dataclasses.replace(self, fill=None)
        return next(without.batches(data, [self.fill.partner(row) for row in rows], len(rows))).inputs

    def split(
        self,
        examples: int | None = None,
        *,
        rows: Sequence[int] | None = None,
        fresh: int | None = None,
        seed: int | None = None,
    ) -> tuple[list[int], list[int]]:
        """Two lists of rows of the training set: the oracle's shared examples, and fresh ones that it never sees.

        There are `examples` shared rows (default: the case's number), or those in `rows`; and `fresh` fresh ones (default: as
        many as are shared), or all that are left. What is drawn comes from one permutation by `seed` (default: the case's).
        Both lists are sorted, so the order is fixed and files are read in order. BadInput unless at least 3 examples are
        shared and 3 fresh, and each is one of the training set, once.
        """
        size = len(self.train)
        wanted = len(rows) if rows is not None else self.examples if examples is None else examples
        if not 3 <= wanted <= size - 3:
            raise BadInput(
                f"{self.name}: {wanted} examples asked for; allowed are 3 to {size - 3} (3 of {size} must stay fresh)"
            )
        if fresh is not None and fresh < 3:
            raise BadInput(f"{self.name}: {fresh} fresh examples asked for; at least 3 are needed")
        draw = SEED.check("the seed of the sample", self.seed if seed is None else seed)
        order = torch.randperm(size, generator=torch.Generator().manual_seed(draw)).tolist()
        if rows is not None:
            chosen = set(rows)
            wrong = [row for row in rows if not 0 <= row < size]
            if wrong or len(chosen) < len(rows):
                said = f"row {wrong[0]} is none of them" if wrong else "a row is named twice"
                raise BadInput(f"{self.name}: {said}; the training set has rows 0 to {size - 1}, each allowed once")
            order = [*rows, *(row for row in order if row not in chosen)]
        return sorted(order[:wanted]), sorted(order[wanted : wanted + (wanted if fresh is None else fresh)])


def _in_float32(loss: Loss) -> Loss:
    """A loss that converts floating-point outputs to float32 and then calls `loss`."""

    def converted(output: Any, labels: Any) -> Tensor:
        return loss(tree.tree_map_only(Tensor, lambda leaf: leaf.float() if leaf.is_floating_point() else leaf, output), labels)

    return converted
