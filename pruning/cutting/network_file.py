"""Stores a pruned network in a file: its tensors and which maps are left, so that any process can cut the whole one alike."""

from pathlib import Path
from typing import Any

import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.plan import UncuttableError
from pruning_oracle.bench.cutting.surgery import Pruned, of_sites, uncut, without
from pruning_oracle.bench.device import device_name
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load, registered
from pruning_oracle.bench.repair.readers import with_biases_of
from pruning_oracle.bench.runs.shapes import built_of
from pruning_oracle.bench.setting import code_of
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.pruning.cutting.network_facts import checked_network

KIND = "network"


def description(pruned: Pruned) -> dict[str, Any]:
    """The shape of a pruned network: the maps that are left of each site, by the numbers that they had in the whole network."""
    return {"maps": {name: list(maps) for name, maps in pruned.maps.items()}}


def save_network(path: Path, pruned: Pruned, facts: dict[str, Any]) -> None:
    """Writes a pruned network to a file, with `facts` and its `description`."""
    case = pruned.case
    runs.save(path, KIND, state_dict.arrays(case.model), facts | {"case": case.name, "seed": case.seed} | description(pruned))


def load_network(path: Path, source: str | None = None) -> tuple[Case, dict[str, Any]]:
    """The case with the pruned network of a file, and the file's facts.

    `source` is what the user says the case is, as commands take it. Without it, the file may name a registered case and no
    more: what a file says is never imported. BadInput if there is no such case, or the file does not fit it.
    """
    file = checked_network(runs.load(path, KIND))
    name = file.facts["case"]
    if source is None and name not in registered():
        raise BadInput(f"{path} is of case {name!r}, which is not one of the suite's: say what it is, --source FILE.py")
    whole = load(source or name, file.facts["seed"])
    if whole.name != name:
        raise BadInput(f"{path} is of case {name!r}, but {source} holds {whole.name!r}")
    with built_of(path):
        case = rebuild(of_whole(whole, file.arrays), file.facts, file.arrays, str(path)).case
    return case, file.facts | {"network": file.checksum}


def setting_of(case: Case, facts: dict[str, Any], stage: str) -> dict[str, Any]:
    """Everything that a result computed from a network file depends on: that file, the code file `stage`, and the machine."""
    said = {"case": case.name, "seed": case.seed, "network": facts["network"], "settings": facts["settings"]}
    said |= {"device type": case.device.type, "device": device_name(case.device), "threads": torch.get_num_threads()}
    return said | runs.measured_by([stage], code_of(case), without=())


def of_whole(case: Case, arrays: runs.Arrays) -> Pruned:
    """The uncut case, with the biases that a repair has given to the network of a file with these `arrays`."""
    return uncut(with_biases_of(case, arrays))


def rebuild(whole: Pruned, facts: dict[str, Any], arrays: runs.Arrays, where: str) -> Pruned:
    """The uncut case `whole` without the maps that the facts of a file do not list (see `description`), filled with `arrays`.

    `where` names the file in errors. Raises BadInput if the network has no such maps, or other tensors.
    """
    left = _checked(whole.case, facts.get("maps"), where)
    sites = tuple(site for site in whole.case.sites if site.name in left)
    cuttable = of_sites(whole, sites)
    gone = {(site.name, index) for site in sites for index in set(range(site.maps)) - set(left[site.name])}
    try:
        pruned = without(cuttable, gone)
    except UncuttableError as error:
        raise BadInput(f"{where} describes maps of {whole.case.name} that cannot be deleted: {error.reason}") from error
    state_dict.fill(pruned.case.model, arrays, where)
    return pruned


def _checked(case: Case, maps: Any, where: str) -> dict[str, list[int]]:
    """The maps that a file lists by site; BadInput if they are none of the case's."""
    if not isinstance(maps, dict) or not maps:
        raise BadInput(f"{where} does not say which maps are left: it is of an older version, or damaged")
    known = {site.name: site.maps for site in case.sites}
    for name, left in maps.items():
        if name not in known:
            raise BadInput(f"{where} describes a site {name!r}, which the network of {case.name} has not")
        whole = isinstance(left, list) and all(type(index) is int and 0 <= index < known[name] for index in left)
        if not whole or not left or left != sorted(set(left)):
            raise BadInput(
                f"{where}: the maps of site {name!r} must be numbers from 0 to {known[name] - 1}, each once, in order"
            )
    return maps
