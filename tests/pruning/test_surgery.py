"""Surgery: the physically smaller network gives the gated network's outputs, and a wrong cut is refused by name."""

import copy
import dataclasses
import os

import pytest
import torch
from networks import sweep
from pruned_networks import NETWORKS, network_case, pruned, third
from torch import nn
from torch.utils.data import TensorDataset
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench.cutting.check import check_outputs
from pruning_oracle.bench.cutting.surgery import cut
from pruning_oracle.bench.data import cifar10
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network import cost
from pruning_oracle.bench.network.gates import gated

EMBEDDED = ["vgg-digits", "resnet-digits", "r3dcnn-gestures"]


def twice(case):
    """Deletes a third of the maps, and a third of what is left: numbers have changed in between."""
    generator, known = torch.Generator().manual_seed(0), pruned(case)
    batch = next(case.batches(case.train, range(3), 3))
    for _ in range(2):
        gone = third(known.case, generator)
        smaller = cut(known, gone)
        assert check_outputs(known.case, smaller.case, gone, batch) <= 1e-5
        maps = [site.maps for site in smaller.case.sites]
        assert maps == [site.maps - len(gone.get(site.name, ())) for site in known.case.sites]
        assert not gone or cost.whole(smaller.case).flops < cost.whole(known.case).flops
        known = smaller
    return known


@pytest.mark.parametrize("name", sweep(NETWORKS))
def test_torchvision(name):
    twice(network_case(name))


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded(name):
    twice(load(name, 0))


@pytest.mark.parametrize("name", TOYS)
def test_toys(name):
    twice(toy_case(name).to("cpu", "float64"))


@pytest.mark.skipif(
    not (cifar10.root() / "cifar10").is_dir(), reason=f"no real data at DATA={os.environ.get('DATA', '../shared/data')}"
)
def test_resnet20_whose_shortcuts_pad_channels():
    twice(load("resnet20-cifar10", 0))


def test_the_gates_of_a_smaller_network_remove_its_maps():
    """Map 5 of the whole is the smaller one's map 3: removing it there gives what removing all three gave in the whole."""
    case = load("resnet-digits", 0).to("cpu", "float64")
    batch = next(case.batches(case.train, range(3), 3))
    for site in (case.sites[0], case.sites[4]):
        smaller = cut(pruned(case), {site.name: [1, 4]})
        own = smaller.case.site(site.name)
        assert smaller.owners(site.name, [3]) == {(site.name, 5)}
        with torch.no_grad():
            with gated(case.model, {site: closed(site.maps, [1, 4, 5])}):
                expected = case.model(batch.inputs)
            with gated(smaller.case.model, {own: closed(own.maps, [3])}):
                assert torch.allclose(smaller.case.model(batch.inputs), expected, atol=1e-12)


def closed(maps, gone):
    value = torch.ones(3, maps, dtype=torch.float64)
    value[:, gone] = 0
    return value


def test_by_hand():
    """Pixel: maps have weights 1, 2, −1 and are read with 10, −1, 5; without map 1 the rest stays as it is."""
    case = pixel_case()
    smaller = cut(pruned(case), {case.sites[0].name: [1]}).case.model
    weights = [parameter.flatten().tolist() for parameter in smaller.parameters()]
    assert weights == [[1.0, -1.0], [10.0, 5.0]]


def test_the_case_stays():
    case = toy_case("plain")
    before = copy.deepcopy(case.model.state_dict())
    cut(pruned(case), {case.sites[0].name: [0, 2]})
    for name, tensor in case.model.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(("maps", "said"), [([0, 1, 2, 3, 4], "all 5 maps"), ([7], "map 7 of 5")])
def test_a_site_is_never_emptied(maps, said):
    case = toy_case("plain")
    with pytest.raises(BadInput, match=said):
        cut(pruned(case), {case.sites[0].name: maps})


def test_a_wrong_cut_is_refused_by_name():
    """The reader loses another map's weights than the maker lost."""
    case = toy_case("plain")
    known = pruned(case)
    layer = next(layer for layer in known.wiring.convolutions.values() if layer.modules == ["features.4"])
    turned = dataclasses.replace(layer, inputs=layer.inputs.roll(1))
    wrong = dataclasses.replace(known.wiring, convolutions=dict(known.wiring.convolutions) | {layer.weight: turned})
    gone = {case.sites[0].name: [1]}
    smaller = cut(dataclasses.replace(known, wiring=wrong), gone)
    with pytest.raises(BadInput, match=r"the first to differ is features\.4"):
        check_outputs(case, smaller.case, gone, next(case.batches(case.train, range(3), 3)))


@pytest.mark.parametrize("slopes", [1, 4])
def test_prelu_with_one_slope_and_with_many(slopes):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(slopes), nn.Flatten(), nn.Linear(144, 2))
    data = TensorDataset(torch.randn(8, 2, 8, 8), torch.arange(8) % 2)
    found = twice(assemble(model.eval(), data, data))
    assert found.case.model.get_submodule("1").weight.numel() == min(slopes, 2)
