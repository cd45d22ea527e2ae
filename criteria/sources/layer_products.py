"""Weight × gradient of whole parts of layers, from what passes the layers: activation × gradient, summed over positions.

A convolution or linear layer is linear in the weights that read a channel, so that Σ weight × gradient over them is the channel
of its input times the slope by it. In the same way a channel of its output times the slope by it is the sum over the filter and
bias that make it, and one of a batch norm's output that over γ and β.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.network.consumers import Channels, consumers
from pruning_oracle.bench.network.gates import channels_with_maps
from pruning_oracle.criteria.evidence.passes import by_batch, slopeless
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.evidence.taps import tapped
from pruning_oracle.criteria.sources.consumers import unfit as unread

Products = dict[tuple[str, bool], Float[Tensor, "example channel"]]  # by a layer's name, and whether of its output


def unfit(case: Case) -> str:
    """Why the products of a case's layers are unavailable; empty if they are available."""
    return unread(case) or slopeless(case)


@source(unfit=unfit, holds=8.0, copies=1, of_zeros=True)
def consumer_product(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Activation × gradient over positions, through each layer that reads the map alone, summed over these layers."""
    found = consumers(case)
    read = {name for layers in found.values() for name, _ in layers}

    def of(block: Sequence[int], batch: Batch) -> list[Tensor]:
        products = multiply(case, batch, read, set())
        return [
            torch.stack([_of_maps(products[name, False], own) for name, own in found[site.name]]).sum(0) for site in case.sites
        ]

    return by_batch(case, rows, size, "layers", of)


@source(unfit=unfit, holds=8.0, copies=1, of_zeros=True)
def layer_products(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """Sum of (Σ weight × gradient)² over the layers that make, normalise and read a map; biases are weights."""
    found = consumers(case, also=(_BatchNorm,))
    norms = {name for name, module in case.model.named_modules() if isinstance(module, _BatchNorm)}
    plain = {name for name in norms if not getattr(case.model.get_submodule(name), "affine")}  # noqa: B009 (nn.Module types it)
    made = {name for site in case.sites for name in site.convolutions} | norms - plain
    read = {name for layers in found.values() for name, _ in layers} - norms

    def of(block: Sequence[int], batch: Batch) -> list[Tensor]:
        products = multiply(case, batch, read, made)
        results = []
        for site in case.sites:
            parts = [_of_maps(products[name, name in made & norms], own) for name, own in found[site.name] if name not in plain]
            for name, owners in zip(site.convolutions, site.channels, strict=True):
                channels, maps = channels_with_maps(owners, case.device)
                whole = products[name, True]
                parts.append(whole.new_zeros(len(whole), site.maps).index_add_(1, maps, whole[:, channels]))
            results.append(torch.stack(parts).square().sum(0))
        return results

    return by_batch(case, rows, size, "layers", of)


def _of_maps(products: Float[Tensor, "example channel"], channels: Channels) -> Float[Tensor, "example map"]:
    return torch.stack([products[:, own].sum(1) for own in channels], 1)


def multiply(case: Case, batch: Batch, read: Collection[str], made: Collection[str]) -> Products:
    """Activation × gradient over positions and calls: of the inputs of `read` layers, and of the outputs of `made` ones."""
    found: Products = {}
    for tap, value, slope in tapped(case, batch, read, made):
        place, product = (tap.layer, tap.output), (value * slope).sum(2)
        found[place] = found[place] + product if place in found else product
    return found
