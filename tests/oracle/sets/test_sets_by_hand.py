"""The definition of joint losses against numbers computed by hand, and against the oracle and itself in another order."""

import pytest
import torch
from random_sets import sets_of_every_kind
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset
from toys import TOYS, output_is_loss, pixel_case, toy_case

from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.oracle.literal import literal as literal_maps
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.replay import ReplaySets


def whole_batch(case):
    return next(case.batches(case.train, range(len(case.train) // 2), len(case.train) // 2))


def test_within_a_site():
    """Map values times −10, +1 and −5: without a nonlinear layer behind them changes add up."""
    case, sets = pixel_case(), [MapSet.of({"conv": maps}) for maps in ([0, 1], [2, 0], [])]
    joint = literal(case, sets, whole_batch(case))
    assert joint.tolist() == [[-8, -10, 0], [-16, -20, 0], [0, -15, 0], [-32, -40, 0]]


def chained_case():
    """Of a pixel x, maps a = (x, 2x), then b = relu(a0 + a1 − 2, a0 − a1); the loss is 3 b0 + b1."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 1)
    )
    values = [[[1.0], [2.0]], [[1.0, 1.0], [1.0, -1.0]], [[3.0, 1.0]]]
    with torch.no_grad():
        for place, weight in zip((0, 2, 5), values, strict=True):
            model[place].weight.copy_(torch.tensor(weight).view(model[place].weight.shape))
        model[2].bias.copy_(torch.tensor([-2.0, 0.0]))
        model[5].bias.zero_()
    data = ConcatDataset(2 * [TensorDataset(torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1, 1), torch.zeros(3, dtype=torch.long))])
    return assemble(model.eval(), data, data, loss=output_is_loss).to("cpu", "float64")


@pytest.mark.parametrize("engine", ["literal", "replay"])
def test_across_sites(engine):
    """For x = 1: a = (1, 2), b = (1, 0), loss 3. For x = 2: a = (2, 4), b = (4, 0), loss 12. For x = 0 nothing changes.

    Without a1, b1 is x instead of 0, so that removing b1 changes nothing alone, and something together with a1.
    """
    case = chained_case()
    a, b = (site.name for site in case.sites)
    sets = [MapSet.of(one) for one in ({a: [1]}, {b: [1]}, {a: [1], b: [1]}, {a: [0], b: [0]}, {a: [1], b: [0]})]
    run = ReplaySets(case) if engine == "replay" else lambda *given: literal(case, *given)
    assert run(sets, whole_batch(case)).tolist() == [[-2, 0, -3, -3, -2], [-10, 0, -12, -12, -10], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("name", TOYS)
def test_single_maps_are_the_oracle_to_the_bit(name):
    case = toy_case(name)
    batch = whole_batch(case)
    for site in case.sites:
        sets = [MapSet.of({site.name: [index]}) for index in range(site.maps)]
        assert torch.equal(literal(case, sets, batch), literal_maps(case, site, batch))
        engine = ReplaySets(case)
        assert torch.equal(engine(sets, batch), engine.engine(site, batch))


@pytest.mark.parametrize("name", TOYS)
def test_the_order_of_sets_and_of_maps_does_not_matter(name):
    case = toy_case(name)
    sets, batch = sets_of_every_kind(case), whole_batch(case)
    turned = [MapSet.of({site: maps[::-1] for site, maps in reversed(one.named.items())}) for one in reversed(sets)]
    assert turned == sets[::-1]
    for run in (ReplaySets(case), lambda *given: literal(case, *given)):
        torch.testing.assert_close(run(turned, batch).flip(1), run(sets, batch), rtol=1e-9, atol=1e-12)
