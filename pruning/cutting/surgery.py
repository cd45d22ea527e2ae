"""Surgery: physically deletes maps from every layer that holds a part of them, and checks that nothing else is lost.

Torch-Pruning's functions cut the layers. Which of their channels carry a map is found by the suite itself
(`pruning/cutting/wiring.py`): the library's search couples wrong channels on a padded shortcut and where clips are folded
into the batch axis, and does not end where maps reach a recurrent layer.
"""

import copy
import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as tree

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.flops import RECURRENT, input_matrices
from pruning_oracle.bench.network.gates import Gate, gated
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, is_depthwise
from pruning_oracle.pruning.cutting.padding import Owner, Owners, set_pads
from pruning_oracle.pruning.cutting.wiring import Wiring

MISSING = "torch-pruning is not installed, and pruning cuts layers with it: pip install 'pruning-oracle[pruning]'"
CHECKED = 4  # examples on which outputs are compared
TOLERANCE = {"float64": 1e-9, "float32": 1e-5, "tf32": 1e-2, "bfloat16": 0.1}  # relative to the largest output or to 1


@dataclass(frozen=True)
class Pruned:
    """A case with the maps that are left, which its sites number anew from 0; `whole` are the sites of the unpruned network.

    `wiring` gives the numbers that these maps had there.
    """

    case: Case
    whole: tuple[Site, ...]
    wiring: Wiring

    def owners(self, site: str, maps: Collection[int]) -> set[Owner]:
        """Maps of a site, given by their present numbers, with the numbers that they had in the whole network."""
        return {(site, self.wiring.maps[site][index]) for index in maps}


def cut(pruned: Pruned, gone: Mapping[str, Collection[int]], twins: Collection[nn.Module] = ()) -> Pruned:
    """A copy of the case without the maps in `gone`, which lists present map numbers by site.

    Networks in `twins`, built like the case's, lose the same maps in place. Raises BadInput for a map that does not exist and
    where a site would lose all its maps.
    """
    for name, maps in gone.items():
        left = pruned.case.site(name).maps
        wrong = [index for index in maps if not 0 <= index < left]
        if wrong or len(set(maps)) >= left:
            what = f"map {wrong[0]} of {left}" if wrong else f"all {left} maps"
            raise BadInput(f"{pruned.case.name}: {what} of site {name!r} cannot be deleted: at least one must stay")
    owners = set[Owner]().union(*(pruned.owners(name, maps) for name, maps in gone.items()))
    model = copy.deepcopy(pruned.case.model)
    for network in (model, *twins):
        delete_channels(network, pruned.wiring, owners)
    wiring = pruned.wiring.without(owners)
    rewire(model, pruned.whole, wiring)
    sites = tuple(wiring.site(site) for site in pruned.whole)
    return Pruned(dataclasses.replace(pruned.case, model=model, sites=sites), pruned.whole, wiring)


def rewire(model: nn.Module, whole: Collection[Site], wiring: Wiring) -> None:
    """Sets, in place, the maps that each gate holds and the channels that each padding pads to what `wiring` says."""
    set_pads(model, wiring.pads)
    for site in whole:
        for name in site.gates:
            gate = model.get_submodule(name)
            assert isinstance(gate, Gate)
            gate.maps = wiring.gate(name, site.name)


def delete_channels(model: nn.Module, wiring: Wiring, gone: Collection[Owner]) -> None:
    """Deletes the maps in `gone` from every layer of a network, in place; `wiring` says which channels carry them."""
    for name in dict.fromkeys((*wiring.outputs, *wiring.inputs)):
        module = model.get_submodule(name)
        if isinstance(module, Gate):
            continue
        out, into = (_places(owners.get(name, ()), gone) for owners in (wiring.outputs, wiring.inputs))
        if out or into:
            _cut(name, module, out, into)


def _places(owners: Owners, gone: Collection[Owner]) -> list[int]:
    return [channel for channel, owner in enumerate(owners) if owner in gone]


def _cut(name: str, module: Any, out: list[int], into: list[int]) -> None:
    """Deletes the output channels `out` and the input channels `into` of one layer, in place."""
    try:
        import torch_pruning as library  # noqa: PLC0415 (takes a second, and not every stage needs it)
    except ImportError as error:
        raise BadInput(MISSING) from error
    if is_depthwise(module):
        if not out:
            each = module.out_channels // module.in_channels
            out = [channel * each + offset for channel in into for offset in range(each)]
        library.prune_conv_out_channels(module, out)
        module.in_channels -= len(into)
        module.groups = module.in_channels
    elif isinstance(module, CONVOLUTIONS):
        if module.groups > 1:
            raise BadInput(f"{name} is a convolution of {module.groups} groups: single maps cannot be deleted from it")
        if out:
            library.prune_conv_out_channels(module, out)
        if into:
            library.prune_conv_in_channels(module, into)
    elif isinstance(module, nn.Linear):
        library.prune_linear_in_channels(module, into)
    elif isinstance(module, nn.PReLU):
        library.prune_prelu_out_channels(module, into)
    elif isinstance(module, RECURRENT):
        _cut_recurrent(module, into)
    else:
        library.prune_batchnorm_out_channels(module, into)


def _cut_recurrent(module: Any, into: list[int]) -> None:
    """Deletes inputs of a recurrent layer from its first layer's matrices, which the library can do for an LSTM only."""
    keep = [channel for channel in range(module.input_size) if channel not in set(into)]
    for name, matrix in input_matrices(module).items():
        setattr(module, name, nn.Parameter(matrix.detach()[:, keep].clone(), requires_grad=matrix.requires_grad))
    module.input_size = len(keep)


@torch.no_grad()
def comparison_batch(case: Case) -> Batch:
    """The first training examples, on which each pruned network is compared with the gated one."""
    return next(case.batches(case.train, range(min(CHECKED, len(case.train))), CHECKED))


@torch.no_grad()
def check_outputs(before: Case, after: Case, gone: Mapping[str, Collection[int]], batch: Batch) -> float:
    """The largest difference between outputs of `after`, without the maps in `gone`, and of `before`, with their gates at 0.

    It is relative to the largest output or to 1, whichever is larger. Raises BadInput above TOLERANCE.
    """
    gates = {}
    for site in before.sites:
        value = next(before.model.parameters()).new_ones(batch.examples, site.maps)
        value[:, list(gone.get(site.name, ()))] = 0
        gates[site] = value
    with gated(before.model, gates):
        expected, passed = _followed(before.model, batch.inputs)
    got, arrived = _followed(after.model, batch.inputs)
    worst = _difference(expected, got)
    if not worst <= TOLERANCE[before.precision]:
        raise BadInput(
            f"{before.name}: the smaller network gives other outputs than the gated one, by {worst:.1g} of the largest;"
            f" the first to differ is {_first(passed, arrived)}: these sites cannot be pruned together"
        )
    return worst


def _followed(model: nn.Module, inputs: Tensor) -> tuple[Any, dict[str, Any]]:
    """A network's output, or the error that stopped it, and the outputs of all innermost modules that ran, by name."""
    passed: dict[str, Any] = {}
    hooks = [
        module.register_forward_hook(lambda module, args, output, name=name: passed.update({name: output}))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        return model(inputs), passed
    except (RuntimeError, ValueError, IndexError) as error:
        return error, passed
    finally:
        for hook in hooks:
            hook.remove()


def _difference(expected: Any, got: Any) -> float:
    """The largest difference of two outputs, relative to the largest expected number or to 1; infinite if shapes differ."""
    ours, theirs = (
        [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        for value in (expected, got)
    )
    if not ours or [leaf.shape for leaf in ours] != [leaf.shape for leaf in theirs]:
        return float("inf")
    differences = [float((a - b).abs().max() / a.abs().max().clamp(min=1)) for a, b in zip(ours, theirs, strict=True)]
    return float("nan") if any(map(math.isnan, differences)) else max(differences)


def _first(passed: Mapping[str, Any], arrived: Mapping[str, Any]) -> str:
    """The first layer whose output is missing from `arrived`, or has the same shapes but other values."""
    for name, output in passed.items():
        if name not in arrived:
            return name
        shapes = [
            [leaf.shape for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)] for value in (output, arrived[name])
        ]
        if shapes[0] == shapes[1] and not _difference(output, arrived[name]) <= 1e-4:
            return name
    return "what follows the last layer"
