"""One network of the sweep: its sites, what is left out and why, how long that took, and replay against whole passes."""

import time
from collections import Counter

import torch
from torch.utils import _pytree as tree
from torch.utils.data import TensorDataset
from toys import randomise

from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.network.sites import find_sites
from pruning_oracle.oracle.exact.replay import Replay

SITES = 4  # of each network, on which replay is compared


def loss(output, labels):
    """The mean square of every number that an example's outputs hold, whatever they are."""
    leaves = [leaf for leaf in tree.tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    return sum(leaf.flatten(1).square().mean(1) for leaf in leaves)


def tried(model, shape, seed=0):
    """What is found in a network, and the largest difference between replay and the literal definition, in float64."""
    torch.manual_seed(seed)
    randomise(model)
    inputs = torch.randn(6, *shape)
    start = time.process_time()
    _, sites, left_out = find_sites(model, inputs[:2])
    seconds = time.process_time() - start
    facts = {
        "shape": list(shape),
        "sites": len(sites),
        "maps": sum(site.maps for site in sites),
        "cpu_seconds": round(seconds, 1),
        "left_out": dict(Counter(out.reason for out in left_out)),
    }
    if not sites:
        return facts
    data = TensorDataset(inputs, torch.zeros(6, dtype=torch.long))
    case = assemble(model, data, data, loss=loss, examples=3).to("cpu", "float64")
    return facts | compared(case, seed)


@torch.no_grad()
def compared(case, seed):
    """Removes a random map at a few sites, by replay and in one whole pass."""
    generator = torch.Generator().manual_seed(seed)
    batch, engine = next(case.batches(case.train, [0], 1)), Replay(case)
    kept, worst = case.losses(batch), 0.0
    for place in torch.randperm(len(case.sites), generator=generator)[:SITES].tolist():
        site = case.sites[place]
        index = int(torch.randint(site.maps, (), generator=generator))
        value = torch.ones(1, site.maps, dtype=torch.float64)
        value[0, index] = 0
        with gated(case.model, {site: value}):
            expected = case.losses(batch) - kept
        found = engine.pairs(site, batch, torch.tensor([0]), torch.tensor([index]))
        worst = max(worst, float((found - expected).abs().max() / kept.abs().max().clamp(min=1)))
    whole = [name for name, way in engine.choices.items() if way == "whole network"]
    return {"compared": min(SITES, len(case.sites)), "largest difference": worst, "run whole": whole or engine.network.why}
