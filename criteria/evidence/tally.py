"""A site's statistics of one batch, added up as the network runs, so that no activation is stored."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.device import at_least_float32, exact_enough
from pruning_oracle.bench.network.gates import Gate, channels_with_maps
from pruning_oracle.criteria.evidence.statistics import GATE_GRAD, PRODUCT, STATISTICS, WEIGHT_PRODUCT

CACHED = 1 << 17  # numbers that stay in a CPU's cache: half a megabyte in float32
SiteStatistics = dict[str, Tensor]  # statistic -> [example, map], of one batch


class BatchStatistics:
    """The statistics of what passes a site's gates and leaves its convolutions, in one forward and backward pass."""

    def __init__(self, case: Case, site: Site, examples: int, needs: frozenset[str]) -> None:
        self.case, self.site, self.examples = case, site, examples
        self.means = {name: self.blank(0.0) for name in STATISTICS if name in needs and not STATISTICS[name].largest}
        self.largest = {name: self.blank(-math.inf) for name in STATISTICS if name in needs and STATISTICS[name].largest}
        self.products = {name: self.blank(0.0) for name in (GATE_GRAD, PRODUCT, WEIGHT_PRODUCT) if name in needs}
        self.leaves: list[Tensor] = []  # outputs of gates where backward passes end, if nothing before them needs a gradient
        self.counts = self.blank(0.0)[0]

    def blank(self, value: float) -> Float[Tensor, "example map"]:
        """A tensor that holds `value` for every example and map."""
        dtype = exact_enough(next(self.case.model.parameters()).dtype)
        return torch.full((self.examples, self.site.maps), value, device=self.case.device, dtype=dtype)

    def hooks(self) -> list[Any]:
        """Registers the forward hooks that fill the tally; the caller must remove them after the backward pass."""
        model, site = self.case.model, self.site
        found = [model.get_submodule(name).register_forward_hook(self._gate) for name in site.gates]
        if WEIGHT_PRODUCT in self.products:
            for name, channels in zip(site.convolutions, site.channels, strict=True):
                found.append(model.get_submodule(name).register_forward_hook(self._convolution(channels)))
        return found

    def parts(self) -> SiteStatistics:
        """Every statistic of the batch, over all positions."""
        return {name: total / self.counts for name, total in self.means.items()} | self.largest | self.products

    def _gate(self, gate: Gate, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """A forward hook that adds what passes a gate and, in the backward pass, its products with the gradient."""
        channels, maps = channels_with_maps(gate.maps, self.case.device)
        positions = output.numel() / (self.examples * output.shape[gate.axis])
        self.counts.index_add_(0, maps, self.counts.new_full((len(maps),), positions))
        activation = self._positions(output.detach(), gate.axis) if self.means or self.largest else output
        for name, total in self.means.items():
            total.index_add_(1, maps, STATISTICS[name].of(activation).sum(2)[:, channels])
        for name, best in self.largest.items():
            found = STATISTICS[name].of(activation).amax(2)[:, channels]
            best.scatter_reduce_(1, maps.expand_as(found), found, "amax")
        if not torch.is_grad_enabled():
            return output
        if not output.requires_grad:
            output = output.detach().requires_grad_()
            self.leaves.append(output)
        wanted, kept = {name: self.products[name] for name in (GATE_GRAD, PRODUCT) if name in self.products}, output.detach()

        def multiply(grad: Tensor) -> None:
            lost = kept if gate.fill is None else kept - gate.standing_in(kept)
            for name, found in self._multiplied(wanted, *(value.movedim(gate.axis, 1) for value in (lost, grad))).items():
                wanted[name].index_add_(1, maps, found[:, channels])

        if wanted:
            output.register_hook(multiply)
        return output

    def _convolution(self, owners: Sequence[int]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        """A hook that adds weight × gradient: (output − bias) × gradient, since a convolution is linear in its weights."""
        total, (channels, maps) = self.products[WEIGHT_PRODUCT], channels_with_maps(owners, self.case.device)

        def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            bias, kept = getattr(module, "bias", None), self._positions(output.detach(), 1)

            def multiply(grad: Tensor) -> None:
                slope = self._positions(grad, 1)
                product = (kept * slope).sum(2)
                if bias is not None:
                    product -= at_least_float32(bias.detach()) * slope.sum(2)
                total.index_add_(1, maps, product[:, channels])

            if output.requires_grad:
                output.register_hook(multiply)

        return watch

    def _multiplied(self, wanted: Iterable[str], kept: Tensor, grad: Tensor) -> SiteStatistics:
        """Products of activation and gradient, summed over clips and positions, `[example, channel]`; a few rows at a time."""
        parts: dict[str, list[Tensor]] = {name: [] for name in wanted}
        rows = len(kept) if kept.device.type != "cpu" else max(1, CACHED // kept[0].numel())
        for first, second in zip(kept.split(rows), grad.split(rows), strict=True):
            product = (at_least_float32(first) * at_least_float32(second)).reshape(len(first), first.shape[1], -1)
            if GATE_GRAD in parts:
                parts[GATE_GRAD].append(product.sum(2))
            if PRODUCT in parts:
                parts[PRODUCT].append(product.abs_().sum(2))
        return {name: torch.cat(found).unflatten(0, (self.examples, -1)).sum(1) for name, found in parts.items()}

    def _positions(self, value: Tensor, axis: int) -> Float[Tensor, "example channel position"]:
        """A gate's or convolution's output with its clips and positions in one axis; `axis` is that of the channels."""
        rows = at_least_float32(value).movedim(axis, 1)
        rows = rows.reshape(self.examples, -1, rows.shape[1], math.prod(rows.shape[2:]))  # example, clip, channel, position
        return rows.transpose(1, 2).flatten(2)
