"""Surgery: deletes maps from a case physically, wherever a tensor or a constant of its network holds a part of them."""

import copy
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, fx

from pruning_oracle.bench.case import Case, LeftOut, Site
from pruning_oracle.bench.cutting.apply import apply
from pruning_oracle.bench.cutting.follow import wire_graph
from pruning_oracle.bench.cutting.layers import wire_layers
from pruning_oracle.bench.cutting.operations import Operations
from pruning_oracle.bench.cutting.plan import Plan, UncuttableError, plan_tensors
from pruning_oracle.bench.cutting.tensors import cut_tensor, whole_tensor
from pruning_oracle.bench.cutting.wiring import Owner, Wiring, first_names, tensors_of
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.network.nan_probes import NONE


@dataclass(frozen=True)
class Pruned:
    """A case with the maps that are left, which its sites number anew from 0, and the `whole` case that it comes from.

    The sites of `whole` are those whose maps can be deleted; `uncut` are the other maps, with the reasons.
    """

    case: Case
    whole: Case
    wiring: Wiring
    plan: Plan
    uncut: tuple[LeftOut, ...] = ()

    @cached_property
    def maps(self) -> dict[str, tuple[int, ...]]:
        """The maps of each site that are left, with the numbers that they had in the whole network."""
        gone = self.plan.gone
        number = self.wiring.number
        return {
            site.name: tuple(index for index in range(site.maps) if not gone[number[site.name, index]])
            for site in self.whole.sites
        }

    def owners(self, site: str, maps: Collection[int]) -> set[Owner]:
        """Maps of a site, given by their present numbers, with the numbers that they had in the whole network."""
        return {(site, self.maps[site][index]) for index in maps}

    @cached_property
    def needed(self) -> list[frozenset[Owner]]:
        """Sets of maps, by site and present number, of which one must stay."""
        present = {(site, index): (site, place) for site, maps in self.maps.items() for place, index in enumerate(maps)}
        known = {site.name for site in self.whole.sites}
        sets = [some for some in self.wiring.needed if all(site in known for site, _ in some)]  # others keep a map anyway
        return [frozenset(present[owner] for owner in some if owner in present) for some in sets]

    def moved(self, smaller: "Pruned", name: str, tensor: Tensor) -> Tensor:
        """What `smaller`, which is cut from this, holds of a tensor that is as large as the parameter of that name here."""
        first = first_names(self.wiring.model)[name]
        whole = whole_tensor(self.wiring, self.plan, first, tensor, tensors_of(self.whole.model)[first])
        return cut_tensor(self.wiring, smaller.plan, first, whole)


def uncut(case: Case) -> Pruned:
    """A case of which nothing is deleted yet, with the wiring of its network."""
    wiring = wire_graph(case) if isinstance(case.model, fx.GraphModule) else wire_layers(case)
    return Pruned(case, case, wiring, Plan(wiring.mask(())))


def of_sites(pruned: Pruned, sites: Collection[Site]) -> Pruned:
    """An uncut network of which only the maps of these sites can be deleted."""
    case, whole = (dataclasses.replace(of, sites=tuple(sites)) for of in (pruned.case, pruned.whole))
    return dataclasses.replace(pruned, case=case, whole=whole)


def cut(pruned: Pruned, gone: Mapping[str, Collection[int]]) -> Pruned:
    """A copy of the case without the maps in `gone`, which lists present map numbers by site.

    Raises BadInput for a map that does not exist, where a site or a layer would lose all its maps, and where the network cannot
    be cut so.
    """
    for name, maps in gone.items():
        left = pruned.case.site(name).maps
        wrong = [index for index in maps if not 0 <= index < left]
        if wrong or len(set(maps)) >= left:
            what = f"map {wrong[0]} of {left}" if wrong else f"all {left} maps"
            raise BadInput(f"{pruned.case.name}: {what} of site {name!r} cannot be deleted: at least one must stay")
    owners = set[Owner]().union(*(pruned.owners(name, maps) for name, maps in gone.items()))
    try:
        return without(pruned, owners)
    except UncuttableError as error:
        raise BadInput(f"{pruned.case.name}: {sorted(gone)[0]!r} cannot lose these maps: {error.reason}") from error


def without(pruned: Pruned, owners: Collection[Owner]) -> Pruned:
    """A copy without these maps of the whole network as well; raises UncuttableError where the network cannot be cut so."""
    wiring, whole = pruned.wiring, pruned.whole
    gone = pruned.plan.gone | wiring.mask(owners)
    plan = planned(wiring, gone)
    large = tensors_of(whole.model)
    names = first_names(wiring.model)
    present = {
        name: whole_tensor(wiring, pruned.plan, name, tensor.detach(), large[name])
        for name, tensor in tensors_of(pruned.case.model).items()
        if names.get(name) == name
    }
    model = copy.deepcopy(whole.model)
    apply(wiring, plan, model, present)
    for parameter, old in zip(model.parameters(), pruned.case.model.parameters(), strict=True):
        parameter.requires_grad_(old.requires_grad)
    sites = tuple(site_of(wiring, plan, site) for site in whole.sites)
    return dataclasses.replace(pruned, case=dataclasses.replace(pruned.case, model=model, sites=sites), plan=plan)


def planned(wiring: Wiring, gone: Tensor) -> Plan:
    """The plan of a cut of the maps in a mask; raises UncuttableError where there is none."""
    plan = plan_tensors(wiring, gone)
    Operations(wiring, plan).complete()
    return plan


def site_of(wiring: Wiring, plan: Plan, whole: Site) -> Site:
    """A site of the whole network with the maps that are left, numbered anew from 0."""
    gone = plan.gone
    left = [index for index in range(whole.maps) if not gone[wiring.number[whole.name, index]]]
    place = {index: new for new, index in enumerate(left)} | {NONE: NONE}
    channels = []
    layers = {name: layer for layer in wiring.convolutions.values() for name in layer.modules}
    for name, own in zip(whole.convolutions, whole.channels, strict=True):
        slots = plan.convolutions.get(layers[name].weight) if name in layers else None
        outputs = range(len(own)) if slots is None else slots.outputs.flatten().tolist()
        channels.append(tuple(NONE if output == NONE else place[own[output]] for output in outputs))
    return dataclasses.replace(whole, maps=len(left), channels=tuple(channels))
