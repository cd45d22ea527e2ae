"""The judge of a random network: what the suite says of its maps is compared with deleting them by hand, in float64.

The sites, the literal engine and replay are compared with weights of 0 in the untouched network; physical deletion with gates.
"""

import copy
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.data import TensorDataset

from fuzz.networks import Network, Program
from pruning_oracle.bench.cutting.check import check_outputs, comparison_batch
from pruning_oracle.bench.cutting.surgery import cut
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.oracle.exact.choices import ENTIRE
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.pruning.loop.ranking import lowest

EXAMPLES = 8
CLOSE = {"rtol": 1e-8, "atol": 1e-8}


@dataclass
class Seen:
    """What was judged: networks, their sites and maps, and for how many maps each part was compared with deletion."""

    networks: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    sites: int = 0
    maps: int = 0
    left_out: int = 0
    removed: int = 0  # maps whose removal, by the literal engine and by replay, was compared with deletion by hand
    whole: int = 0  # sites at which replay ran the whole network
    uncut: int = 0  # sites whose maps cannot be deleted physically
    cut: int = 0  # maps deleted physically, compared with gates

    def refuse(self, error: BadInput, expected: str) -> None:
        """Counts a network that is refused for the expected reason; raises any other error."""
        if expected not in str(error):
            raise error
        self.refused[expected] = self.refused.get(expected, 0) + 1


def network(program: Program, seed: int) -> nn.Module:
    """The program's network in eval mode, with random weights and statistics; its layers stay as they are."""
    torch.manual_seed(seed)
    model = Network(copy.deepcopy(program)).eval()
    with torch.no_grad():
        for module in model.modules():
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if tensor.is_floating_point():
                    tensor.copy_(torch.rand_like(tensor) + 0.5 if name == "running_var" else torch.randn_like(tensor) * 0.6)
    return model


def judge(program: Program, seed: int, seen: Seen) -> None:
    """Compares removal with deletion by hand for every map of every site, and replay with the literal engine."""
    model = network(program, seed)
    inputs = torch.randn(EXAMPLES, 3, 8, 8)
    data = TensorDataset(inputs, torch.arange(EXAMPLES) % 3)
    seen.networks += 1
    try:
        case = assemble(model, data, data, examples=3).to("cpu", "float64")
    except BadInput as error:
        seen.refuse(error, "has no map that can be removed")
        return
    total = sum(len(maps) for maps in program.made.values())
    inside = sum(index >= 0 for site in case.sites for channels in site.channels for index in channels)
    assert inside + sum(out.maps for out in case.left_out) == total, "a map is neither in a site nor left out"
    seen.sites, seen.maps, seen.left_out = seen.sites + len(case.sites), seen.maps + inside, seen.left_out + total - inside
    batch = next(case.batches(case.train, range(3), 3))
    plain = model.double()
    engine = Replay(case)
    for site in case.sites:
        expected = torch.stack([_deleted(program, plain, site, index, batch, case) for index in range(site.maps)], 1)
        slow = literal(case, site, batch)
        torch.testing.assert_close(slow, expected, **CLOSE)
        torch.testing.assert_close(engine(site, batch), slow, **CLOSE)
        seen.removed += site.maps
        seen.whole += engine.network.choices.get(site.name) == ENTIRE or bool(engine.network.why)
    _cut(case, seed, seen)


def _cut(case, seed, seen):
    """Deletes a third of the maps physically, and a third of what is left; the outputs are those of the gated network."""
    try:
        known = prepared(case)
    except BadInput as error:
        seen.refuse(error, "has no map that can be deleted")
        return
    seen.uncut += len(known.uncut)
    generator, batch = torch.Generator().manual_seed(seed), comparison_batch(case)
    for _ in range(2):
        sizes = [site.maps for site in known.case.sites]
        scores = [torch.rand(size, generator=generator).numpy() for size in sizes]
        gone = lowest(known.case, scores, max(1, sum(sizes) // 3), known.needed)
        if not gone:
            return
        smaller = cut(known, gone)
        assert check_outputs(known.case, smaller.case, gone, batch) <= 1e-9
        seen.cut += sum(map(len, gone.values()))
        known = smaller


@torch.no_grad()
def _deleted(program, model, site, index, batch, case):
    """The change in loss when the weights of all readers of a map are set to 0 in the untouched network."""
    made = [program.made[name.removeprefix("layers.")] for name in site.convolutions]
    gone = {
        one for maps, of in zip(made, site.channels, strict=True) for one, which in zip(maps, of, strict=True) if which == index
    }
    smaller = copy.deepcopy(model)
    for layer, channels in program.reads:
        for channel, maps in enumerate(channels):
            if maps & gone:
                _input_weights(smaller.layers[layer], channel).zero_()
    return case.loss(smaller(batch.inputs), batch.labels) - case.loss(model(batch.inputs), batch.labels)


def _input_weights(module, channel):
    if isinstance(module, nn.ConvTranspose2d):
        return module.weight[channel]
    groups = getattr(module, "groups", 1)
    inputs, outputs = module.weight.shape[1], len(module.weight) // groups
    return module.weight[channel // inputs * outputs : (channel // inputs + 1) * outputs, channel % inputs]
