"""Torch-Pruning's groups: the layers that it couples to the channels of each site's first convolution."""

import copy
import dataclasses
import functools
import importlib.util
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.device import exact_enough
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.criteria.evidence.passes import differentiable
from pruning_oracle.criteria.evidence.source import Gather, source

MISSING = "torch-pruning is not installed: pip install 'pruning-oracle[pruning]'"
MOST = 2000  # the most steps of a group; among torchvision's networks DenseNet-121 takes most, 102
Coupling = dict[str, dict[int, int]]  # convolution -> channel -> the map that it belongs to


@dataclass(frozen=True)
class Grouped:
    """A case with a copy of its network, and Torch-Pruning's group for every site."""

    case: Case
    groups: dict[Site, Any]


@contextmanager
def grouped(case: Case) -> Iterator[Grouped]:
    """Lets Torch-Pruning find the groups in a copy of the network, whose parameters have gradients inside the block.

    Gates stay in the copy: when open they return the very tensor that they take, so autograd, which the library follows, does
    not see them. A group holds all channels of a convolution, since the library's importances are made for such groups only.
    Raises BadInput if a group couples other channels than its site.
    """
    import torch_pruning  # noqa: PLC0415 (an optional package)

    model = copy.deepcopy(case.model)
    unfilled = dataclasses.replace(case, fill=None)  # loading other examples, too, draws from torch's global generator
    inputs = next(unfilled.batches(case.train, [0], 1)).inputs
    with warnings.catch_warnings(), differentiable(model, list(model.parameters())):
        warnings.simplefilter("ignore")  # raised by the library's own calls
        graph = torch_pruning.DependencyGraph()
        graph.build_dependency(model, inputs, forward_fn=lambda network, example: network(example), verbose=False)
        groups = {}
        for site in case.sites:
            convolution, every = model.get_submodule(site.convolutions[0]), list(range(len(site.channels[0])))
            with _ending(site):
                groups[site] = graph.get_pruning_group(convolution, torch_pruning.prune_conv_out_channels, idxs=every)
            _check_same(site, _coupled(graph, groups[site], site, model))
        yield Grouped(dataclasses.replace(case, model=model), groups)


@contextmanager
def _ending(site: Site) -> Iterator[None]:
    """Stops the library's search with BadInput after `MOST` steps: in a GRU each round shifts the channels, without end."""
    from torch_pruning.dependency import graph  # noqa: PLC0415 (an optional package)

    class Bounded(graph.Group):  # type: ignore[misc]  # the library has no types
        def add_dep(self, dep: Any, idxs: Any) -> None:
            super().add_dep(dep, idxs)
            if len(self) > MOST:
                raise BadInput(f"at site {site.name} it finds no end of what it couples")

    original, graph.Group = graph.Group, Bounded
    try:
        yield
    finally:
        graph.Group = original


def _coupled(graph: Any, group: Any, site: Site, model: nn.Module) -> Coupling:
    """The channels that Torch-Pruning deletes together with a map of the site, and that map, for each convolution."""
    names = {module: name for name, module in model.named_modules()}
    found: Coupling = defaultdict(dict)
    for item in group:
        layer = item.dep.target.module
        if isinstance(layer, _ConvNd) and graph.is_out_channel_pruning_fn(item.dep.handler):
            for channel, root in zip(item.idxs, item.root_idxs, strict=True):
                owner = -1 if root is None else site.channels[0][root]
                if owner >= 0:
                    found[names[layer]][channel] = owner
    return found


def _check_same(site: Site, theirs: Coupling) -> None:
    """Raises BadInput if a group couples other channels than the site does: its scores would be of other maps."""
    ours: Coupling = {}
    for name, owners in zip(site.convolutions, site.channels, strict=True):
        ours[name] = {channel: owner for channel, owner in enumerate(owners) if owner >= 0}
    for name in sorted(theirs.keys() | ours.keys()):
        found, made = theirs.get(name, {}), ours.get(name, {})
        if found != made:
            raise BadInput(f"at site {site.name} it couples {name}'s channels {_few(found)}, where the maps have {_few(made)}")


def _few(channels: dict[int, int]) -> str:
    return ", ".join([f"{channel} (map {owner})" for channel, owner in sorted(channels.items())][:3]) or "none"


def importance_per_map(found: Grouped, importance: Callable[[Any], Tensor | None]) -> dict[str, Float[Tensor, "1 map"]]:
    """Applies one of the library's importances to every group, and adds up the channels of each map.

    The library computes in the type of the weights, which has no distances in bfloat16: they are converted before. If all
    channels of a group are 0, the library divides by their mean and gives NaN; zeros, which rank nothing, replace them.
    Raises BadInput if the library finds no layer of a group that it scores.
    """
    model = found.case.model
    own = next(model.parameters()).dtype
    if exact_enough(own) != own:
        model.to(exact_enough(own))  # the copy's parameters, and their gradients
    result = {}
    for site, group in found.groups.items():
        values = importance(group)
        if values is None:
            raise BadInput(f"at site {site.name} it finds no layer that it scores")
        channels = values.detach().cpu()
        owners = torch.tensor(site.channels[0])
        maps = torch.zeros(site.maps, dtype=channels.dtype).index_add(0, owners[owners >= 0], channels[owners >= 0])
        result[site.name] = (torch.zeros_like(maps) if bool(maps.isnan().all()) else maps)[None]
    return result


def missing(case: Case) -> str:
    """Why Torch-Pruning cannot be used; empty if it is installed."""
    return "" if importlib.util.find_spec("torch_pruning") else MISSING


def shipped(gather: Gather, of_zeros: bool = False) -> Gather:
    """Decorator: registers a source of evidence, available where the library is installed and can score the case.

    See `Source` for what is `of_zeros`.
    """

    @functools.wraps(gather)
    def attributed(case: Case, rows: Sequence[int], size: int) -> dict[str, Tensor]:
        try:
            return gather(case, rows, size)
        except BadInput as error:
            raise BadInput(f"torch-pruning: {error}") from error
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # the library has no errors of its own, so whatever fails inside it is a reason
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise BadInput(f"torch-pruning: {type(error).__name__}: {reason}") from error

    return source(unfit=missing, copies=10, of_zeros=of_zeros)(attributed)
