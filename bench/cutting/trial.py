"""Tries, before anything is learnt, which maps of a case can be deleted: by deleting some and comparing with the gated network.

Networks are compared in float64. A site that fails stays whole, with the reason, and the others can be pruned.
"""

import dataclasses
from collections.abc import Collection, Mapping

import torch

from pruning_oracle.bench.case import Case, LeftOut, Site
from pruning_oracle.bench.cutting.check import check_outputs, comparison_batch
from pruning_oracle.bench.cutting.needed import by_site, may_go
from pruning_oracle.bench.cutting.plan import UncuttableError
from pruning_oracle.bench.cutting.surgery import Pruned, cut, of_sites, planned, uncut
from pruning_oracle.bench.cutting.wiring import Owner
from pruning_oracle.bench.errors import BadInput

SHARES = (0.0, 0.5, 0.33, 1.0)  # of every site's maps, that trials delete: one, some, as many as possible
COMPARED = 2  # of the last of these, outputs are compared


def prepared(case: Case) -> Pruned:
    """The uncut case with the sites whose maps can be deleted, proved by a trial; `uncut` names the others with the reasons.

    Raises BadInput if no map can be deleted.
    """
    pruned = uncut(case)
    reasons = _unplanned(pruned, case.sites)
    possible = [site for site in case.sites if site.name not in reasons]
    reasons |= _unequal(pruned, possible)
    sites = tuple(site for site in case.sites if site.name not in reasons)
    left = tuple(LeftOut(site.name, site.maps, reasons[site.name]) for site in case.sites if site.name in reasons)
    if not any(site.maps > 1 for site in sites):
        said = "; ".join(f"{out.convolution}: {out.reason}" for out in left[:3]) or "every site has a single map"
        raise BadInput(f"{case.name} has no map that can be deleted ({said})")
    return dataclasses.replace(of_sites(pruned, sites), uncut=left)


def choices(pruned: Pruned) -> list[set[Owner]]:
    """The maps that each trial deletes: a random share of those of every site."""
    generator, found = torch.Generator().manual_seed(0), []
    for share in SHARES:
        order = list[Owner]()
        for site in pruned.case.sites:
            drawn = torch.randperm(site.maps, generator=generator).tolist()
            order += [(site.name, index) for index in drawn[: max(1, round(share * site.maps))]]
        found.append(set(may_go(pruned.needed, order)))
    return found


def _unplanned(pruned: Pruned, sites: Collection[Site]) -> dict[str, str]:
    """The sites of which no map can be deleted by any plan, with the reasons."""
    reasons: dict[str, str] = {}
    while True:
        left = [site for site in sites if site.name not in reasons]
        error = _refusal(pruned, left)
        if error is None:
            return reasons
        involved = {pruned.wiring.owners[number][0] for number in error.maps} & {site.name for site in left}
        alone = {site.name: _refusal(pruned, [site]) for site in left if site.name in involved}
        found = {name: own.reason for name, own in alone.items() if own}
        reasons |= found or dict.fromkeys(involved or {site.name for site in left}, error.reason)


def _refusal(pruned: Pruned, sites: Collection[Site]) -> UncuttableError | None:
    for gone in choices(of_sites(pruned, sites)):
        try:
            planned(pruned.wiring, pruned.wiring.mask(gone))
        except UncuttableError as error:
            return error
    return None


def _unequal(pruned: Pruned, sites: Collection[Site]) -> dict[str, str]:
    """The sites whose deletion does not give the gated network's outputs, with the reasons."""
    exact = _exact(pruned)
    if _difference(of_sites(exact, sites)) is None:
        return {}
    reasons: dict[str, str] = {}
    right: list[Site] = []
    for site in sites:
        said = _difference(of_sites(exact, [*right, site]))
        if said is None:
            right.append(site)
        else:
            reasons[site.name] = said
    return reasons


def _exact(pruned: Pruned) -> Pruned:
    """The network in float64; as it is if it cannot compute in float64."""
    try:
        case = pruned.case.to(str(pruned.case.device), "float64")
        with torch.no_grad():
            case.model(comparison_batch(case).inputs)
    except (BadInput, RuntimeError, TypeError):
        return pruned
    return dataclasses.replace(pruned, case=case, whole=case)


def _difference(pruned: Pruned) -> str | None:
    """How a network from which maps are deleted differs from the gated one; None if it does not."""
    batch = comparison_batch(pruned.case)
    for chosen in choices(pruned)[-COMPARED:]:
        gone: Mapping[str, list[int]] = by_site(sorted(chosen))
        try:
            check_outputs(pruned.case, cut(pruned, gone).case, gone, batch)
        except BadInput as error:
            return str(error).removeprefix(f"{pruned.case.name}: ")
    return None
