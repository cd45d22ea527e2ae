"""The literal oracle against numbers computed by hand, a loop of plain hooks, and itself at other batch sizes."""

import dataclasses
from functools import partial

import pytest
import torch
from scipy.stats import spearmanr
from toys import TOYS, output_is_loss, pixel_case, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure


def test_by_hand():
    """Map values times −10, +1 and −5: the loss is 10 a − b + 5 c, and removing a map takes its term away."""
    oracle = measure(pixel_case(), partial(literal, pixel_case()), range(4), 4)
    assert oracle.kept.tolist() == [8, 16, 15, 32]
    assert oracle.changes["conv"].tolist() == [[-10, 2, 0], [-20, 4, 0], [0, 0, -15], [-40, 8, 0]]


@pytest.mark.parametrize("name", TOYS)
def test_any_batching_gives_the_same(name):
    case = toy_case(name)
    whole, ones, threes = (measure(case, partial(literal, case), range(12), size).changes for size in (12, 1, 5))
    for site in whole:
        torch.testing.assert_close(whole[site], ones[site], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(whole[site], threes[site], rtol=1e-9, atol=1e-12)
        assert whole[site].abs().max() > 1e-4


@pytest.mark.parametrize(("name", "address"), [("vgg-digits", "features.8"), ("r3dcnn-gestures", "clip.relu3a")])
def test_a_ten_line_hook_loop_gives_the_same_on_an_embedded_case(name, address):
    case = load(name, 0)
    convolution = {"features.8": "features.7", "clip.relu3a": "clip.conv3a"}[address]
    site, batch = case.site(convolution), next(case.batches(case.train, range(4), 4))
    measured = literal(case, site, batch)

    changes = []
    with torch.no_grad():
        kept = case.loss(case.model(batch.inputs), batch.labels)
        for index in range(site.maps):

            def remove(module, inputs, output, index=index):
                output[:, index] = 0

            hook = case.model.get_submodule(address).register_forward_hook(remove)
            changes.append(case.loss(case.model(batch.inputs), batch.labels) - kept)
            hook.remove()
    torch.testing.assert_close(torch.stack(changes, 1), measured, rtol=0, atol=1e-6)
    assert spearmanr(torch.stack(changes, 1).mean(0), measured.mean(0)).statistic > 0.9999


def test_a_loss_that_is_not_finite_names_the_example_or_the_map():
    whole = dataclasses.replace(pixel_case(), loss=lambda output, labels: (output[:, 0] - 15).log() * 0 + 1)
    with pytest.raises(BadInput, match="the loss is nan with every map kept, on training example 2"):
        measure(whole, partial(literal, whole), [1, 2], 2)
    removed = dataclasses.replace(pixel_case(), loss=lambda output, labels: 1 / (output[:, 0] + 2))
    with pytest.raises(BadInput, match="changes by inf with map 0 of site 'conv' removed, on training example 0"):
        measure(removed, partial(literal, removed), [0], 1)


def test_a_loss_that_is_not_per_example_is_refused():
    case = dataclasses.replace(pixel_case(), loss=lambda output, labels: output_is_loss(output, labels).mean())
    with pytest.raises(BadInput, match=r"one number per example, \(4,\)"):
        measure(case, partial(literal, case), range(4), 4)
