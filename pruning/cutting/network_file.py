"""Stores a pruned network in a file: its tensors and the sizes of its layers, from which any process can load it."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.device import device_name
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.network.flops import RECURRENT
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS
from pruning_oracle.bench.runs.options import Parser
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.pruning.cutting.padding import pad_amounts, set_pad_amounts

SIZES: dict[tuple[type[nn.Module], ...], tuple[str, ...]] = {
    CONVOLUTIONS: ("in_channels", "out_channels", "groups"),
    (nn.Linear,): ("in_features",),
    (_NormBase,): ("num_features",),
    (nn.PReLU,): ("num_parameters",),
    RECURRENT: ("input_size",),
}
KIND = "network"


def layer_sizes(case: Case) -> dict[str, Any]:
    """The shape of a case's network: sizes of its layers, maps of its gates, amounts of its channel paddings, and its sites."""
    layers = {
        name: {size: getattr(module, size) for size in sizes}
        for name, module in case.model.named_modules()
        for types, sizes in SIZES.items()
        if isinstance(module, types)
    }
    gates = {name: list(module.maps) for name, module in case.model.named_modules() if isinstance(module, Gate)}
    sites = [dataclasses.asdict(site) for site in case.sites]
    return {"layers": layers, "gates": gates, "pads": pad_amounts(case.model), "sites": sites}


def save_network(path: Path, case: Case, facts: dict[str, Any]) -> None:
    """Writes a case's network to a file, with `facts` and the shape that `layer_sizes` gives."""
    runs.save(path, KIND, state_dict.arrays(case.model), facts | {"case": case.name, "seed": case.seed} | layer_sizes(case))


def load_network(path: Path, source: str | None = None) -> tuple[Case, dict[str, Any]]:
    """The case with the pruned network of a file, and the file's facts; `source` is the .py file of a user's own case."""
    file = runs.load(path, KIND)
    whole = load(source or file.facts["case"], file.facts["seed"])
    return rebuild(whole, file.facts, file.arrays, str(path)), file.facts | {"network": file.checksum}


def setting_of(case: Case, facts: dict[str, Any], stage: str, source: str | None) -> dict[str, Any]:
    """Everything that a result computed from a network file depends on: that file, the code file `stage`, and the machine."""
    said = {"case": case.name, "seed": case.seed, "network": facts["network"], "settings": facts["settings"]}
    said |= {"device type": case.device.type, "device": device_name(case.device), "threads": torch.get_num_threads()}
    return said | runs.measured_by([stage], find(source or case.name).file, without=())


def network_options(stage: str, doc: str | None, suffix: str) -> argparse.ArgumentParser:
    """A parser for `python -m pruning_oracle.pruning.STAGE`, which takes a network file and writes beside it with `suffix`."""
    parser = Parser(prog=f"python -m pruning_oracle.pruning.{stage}", description=doc)
    parser.add_argument("network", type=Path, help="a .network file that python -m pruning_oracle.pruning wrote")
    parser.add_argument("--source", help="the .py file of the case, if it is your own")
    parser.add_argument("--out", type=Path, help=f"the file to write (default: beside the network, {suffix})")
    return parser


def open_network(given: argparse.Namespace, suffix: str) -> tuple[Case, dict[str, Any], Path]:
    """The case with the network that the command line names, the facts of the network file, and the path to write to."""
    out = given.out or given.network.with_suffix(suffix)
    runs.check_writable(out)
    return *load_network(given.network, given.source), out


def rebuild(whole: Case, description: dict[str, Any], arrays: runs.Arrays, where: str) -> Case:
    """The case `whole` with its network cut, in place, to `description` (from `layer_sizes`) and filled with `arrays`.

    `where` names the file in errors. Raises BadInput if the network lacks a described layer.
    """
    model = whole.model
    modules = dict(model.named_modules())
    missing = [name for part in ("layers", "gates") for name in description[part] if name not in modules]
    if missing:
        raise BadInput(f"{where} describes {missing[0]}, which the network of {whole.name} has not")
    for name, sizes in description["layers"].items():
        for size, value in sizes.items():
            setattr(modules[name], size, value)
    for name, maps in description["gates"].items():
        gate: Any = modules[name]
        gate.maps = range(len(maps)) if maps == list(range(len(maps))) else tuple(maps)
    set_pad_amounts(model, description["pads"])
    _resize(model, arrays)
    state_dict.fill(model, arrays, where)
    return dataclasses.replace(whole, model=model, sites=tuple(_site(site) for site in description["sites"]))


def _resize(model: nn.Module, arrays: runs.Arrays) -> None:
    """Replaces parameters and buffers by zeros of the shape that the array of the same name has."""
    for prefix, module in model.named_modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            array = arrays.get(f"{prefix}.{name}" if prefix else name)
            if array is not None and array.shape != tuple(tensor.shape) and array.ndim == tensor.ndim:
                empty = tensor.detach().new_zeros(array.shape)
                setattr(module, name, nn.Parameter(empty) if isinstance(tensor, nn.Parameter) else empty)


def _site(facts: dict[str, Any]) -> Site:
    return Site(
        facts["name"],
        facts["maps"],
        tuple(facts["convolutions"]),
        tuple(facts["gates"]),
        tuple(tuple(channels) for channels in facts["channels"]),
    )
