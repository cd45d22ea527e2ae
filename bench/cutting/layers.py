"""Finds the wiring of a network that carries its own gates and is no graph: of its layers alone, by the maps that they read."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.wiring import Claims, Convolution, Wiring, along, first_names
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.network.cost import PER_MAP
from pruning_oracle.bench.network.flops import RECURRENT, input_matrices
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.network.layer_kinds import CONVOLUTIONS, TRANSPOSED, is_depthwise
from pruning_oracle.bench.network.nan_probes import NONE


def wire_layers(case: Case) -> Wiring:
    """The wiring of a case by the layers of torch's that its maps reach."""
    model = copy.deepcopy(case.model).cpu().float()
    names = first_names(model)
    outputs, inputs = _outputs(case), _inputs(case)
    tensors: dict[str, Claims] = {}
    layers: dict[str, Convolution] = {}
    for name in dict.fromkeys((*outputs, *inputs)):
        module: Any = model.get_submodule(name)
        if isinstance(module, CONVOLUTIONS):
            made = outputs.get(name, torch.full((module.out_channels,), NONE))
            read = inputs.get(name, torch.full((module.in_channels,), NONE))
            if is_depthwise(module):
                per = module.out_channels // module.in_channels
                read = made[::per] if name in outputs else read
                made = read.repeat_interleave(per)
            weight, biases = names[f"{name}.weight"], [] if module.bias is None else [names[f"{name}.bias"]]
            transposed = isinstance(module, TRANSPOSED)
            layers[weight] = Convolution(weight, module.groups, transposed, read, made, biases, [name])
        elif not isinstance(module, Gate):
            tensors |= {names[f"{name}.{local}"]: claims for local, claims in _claims(module, inputs[name]).items()}
    gates = {name: inputs[name] for site in case.sites for name in site.gates}
    return Wiring(case.sites, model, tensors, layers, gates)


def _claims(module: nn.Module, owners: Tensor) -> dict[str, Claims]:
    """The claims on a layer's tensors, by their names in it, from the map of each of its input channels."""
    if isinstance(module, nn.Linear):
        return {"weight": [along(owners, 1, 2)]}
    if isinstance(module, RECURRENT):
        return {local: [along(owners, 1, 2)] for local in input_matrices(module)}
    every = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return {local: [owners] for local, tensor in every if tensor.shape == owners.shape}


def _outputs(case: Case) -> dict[str, Tensor]:
    """The map of each output channel of the sites' convolutions."""
    found: dict[str, Tensor] = {}
    first = 0
    for site in case.sites:
        for name, channels in zip(site.convolutions, site.channels, strict=True):
            own = torch.tensor(channels)
            found[name] = torch.where(own >= 0, own + first, found.get(name, torch.full_like(own, NONE)))
        first += site.maps
    return found


def _inputs(case: Case) -> dict[str, Tensor]:
    """The map of each input channel of the layers and gates that maps reach."""
    widths: dict[str, Tensor] = {}
    first = dict(zip([site.name for site in case.sites], _starts(case), strict=True))
    for name, feeds in consumers(case, (*PER_MAP, Gate)).items():
        for layer, channels_of in feeds:
            size = width(case.model.get_submodule(layer))
            found = widths.setdefault(layer, torch.full((size,), NONE))
            for index, own in enumerate(channels_of if size > 1 or len(channels_of) == 1 else ()):
                found[own] = first[name] + index
    for site in case.sites:
        for name in site.gates:  # a gate knows which channels carry its own site's maps
            gate: Any = case.model.get_submodule(name)
            maps = torch.tensor(list(gate.maps))
            widths[name] = torch.where(maps >= 0, maps + first[site.name], widths.get(name, torch.full_like(maps, NONE)))
    return widths


def _starts(case: Case) -> list[int]:
    ends = torch.tensor([0, *(site.maps for site in case.sites)]).cumsum(0)
    return ends[:-1].tolist()


def width(module: Any) -> int:
    """The number of input channels of a layer or gate."""
    if isinstance(module, Gate):
        return len(module.maps)
    names = ("in_channels", "in_features", "input_size", "num_features", "num_parameters")
    return int(next(getattr(module, name) for name in names if hasattr(module, name)))
