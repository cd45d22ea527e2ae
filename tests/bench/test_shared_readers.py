"""Maps that are read through shared channels, weights and indices: joined where only all of them can go, or left out."""

import copy
import re

import pytest
import torch
from networks import removed
from shared_readers import EXAMPLES, Net, conv, pooled
from torch import nn
from torch.nn import functional as F

from pruning_oracle.bench.network.sites import find_sites


@pytest.mark.parametrize("name", EXAMPLES)
def test_removal_is_deletion_by_hand(name):
    torch.manual_seed(0)
    example = EXAMPLES[name]
    model, inputs = copy.deepcopy(example.model).eval(), torch.randn(3, *example.shape, dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.7)
        kept = model.double()(inputs)
    gated, sites, _ = find_sites(model, inputs)
    gated = gated.double()
    assert {site.name: site.maps for site in sites} == {site: maps for site, (maps, _) in example.sites.items()}
    for site in sites:
        moved = 0
        for index in range(site.maps):
            smaller = copy.deepcopy(model)
            with torch.no_grad():
                example.sites[site.name][1](smaller, index)
                expected = smaller(inputs)
            moved += not torch.equal(expected, kept)
            torch.testing.assert_close(removed(gated, site, index, inputs), expected, rtol=1e-10, atol=1e-10)
        assert moved, "no deletion changed anything, so nothing was compared"


def masked(model, images):
    maps = torch.relu(model.a(images))
    return pooled(model, torch.relu(model.b(images)) * (maps.mean(1, keepdim=True) > 0.2))


def strongest(model, images):
    maps = torch.relu(model.a(images))
    return pooled(model, torch.relu(model.b(images)).gather(1, maps.argsort(1)))


def scaled(model, images):
    maps = torch.relu(model.a(images))
    return pooled(model, maps / maps.max().item())


def also_the_image(model, images):
    return pooled(model, torch.relu(model.b(model.a(images).relu()) + model.b(images)))


def both_ways(model, images):
    code = torch.relu(model.a(images))
    return pooled(model, F.conv_transpose2d(torch.relu(model.b(code)), model.b.weight))


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised over its inputs: without one of them, the others' weights change."""

    def forward(self, images):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(images, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


LEFT_OUT = {
    "a mask of all maps": (masked, {"a": r"mean \(operation mean\w*\) mixes maps", "b": None}),
    "an order of the maps": (strongest, {"a": "argsort .* mixes maps", "b": "mixes maps"}),
    "a number that Python holds": (scaled, {"a": r"max \(operation max\w*\) mixes maps"}),
    "a layer that also reads the image": (also_the_image, {"a": "tied to a channel of the network's input"}),
    "weights that serve two layers": (
        both_ways,
        {
            "a": r"^b \(Conv2d\) reads it: its weights also serve conv_transpose2d \(",
            "b": r"reads it: its weights also serve b \(",
        },
    ),
    "weights computed from their neighbours": (
        lambda model, images: pooled(model, model.other(model.a(images).relu()).relu()),
        {"a": r"with weights of 0 for its maps, other \(Standardised\) gives other outputs", "other": None},
    ),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_maps_that_no_deletion_removes_are_left_out(name):
    torch.manual_seed(0)
    forward, expected = LEFT_OUT[name]
    model = Net(forward, a=conv(3, 3, 3, padding=1), b=conv(3, 3), other=Standardised(3, 3, 1), fc=nn.Linear(3, 3)).eval()
    _, sites, left_out = find_sites(model, torch.randn(2, 3, 6, 6))
    reasons = {out.convolution: out.reason for out in left_out}
    for convolution, reason in expected.items():
        assert (convolution in {site.name for site in sites}) == (reason is None), left_out
        assert reason is None or re.search(reason, reasons[convolution]), reasons
