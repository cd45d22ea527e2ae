"""Sets of maps of every kind that an engine may be asked for, and the proof that the fast one is exact on them."""

import torch

from pruning_oracle.bench.map_set import MapSet, random_sets
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.replay import ReplaySets


def sets_of_every_kind(case, count=4, seed=0):
    """The empty set, single maps, pairs within and across sites, most of a site, random shares of all, and equal ones again."""
    generator = torch.Generator().manual_seed(seed)

    def some(site, many):
        return torch.randperm(site.maps, generator=generator)[:many].tolist()

    sets = [{}]
    for place, site in enumerate(case.sites):
        sets += [{site.name: some(site, many)} for many in {1, 2, site.maps - 1} if 0 < many < site.maps]
        other = case.sites[(place + 1) % len(case.sites)]
        if other != site and min(site.maps, other.maps) > 1:
            sets.append({site.name: some(site, 1), other.name: some(other, 1)})
    made = [MapSet.of(one) for one in sets]
    most = 1 - len(case.sites) / sum(site.maps for site in case.sites)
    for share in (0.1, 0.5):
        made += random_sets(case, count, min(share, most), seed)
    return [*made, made[1], made[-1]]


def exact_sets(case, sets=None, sizes=((4, 5), (1, 1)), whole=False):
    """Replay equals literal on sets in every way, on batches of each size with so many pairs side by side."""
    sets = sets or sets_of_every_kind(case)
    for size, fold in sizes:
        batch = next(case.batches(case.train, range(size), size))
        engine, expected = ReplaySets(case, fold=fold), literal(case, sets, batch)
        assert expected.abs().max() > 1e-7
        torch.testing.assert_close(engine(sets, batch), expected, rtol=1e-9, atol=1e-12)
        traced = engine.engine.network.traced
        assert (traced is None) == whole
        for way in ("whole operations", "linear step") if traced else ():
            for plan in traced.plans.values():
                plan.taken = way if way in plan.ways else plan.taken
            torch.testing.assert_close(engine(sets, batch), expected, rtol=1e-9, atol=1e-12)
        assert "whole network" not in engine.engine.choices.values()
    return engine
