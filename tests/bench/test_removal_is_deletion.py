"""A gate at 0 and the channel physically deleted give the same outputs: removal is deletion."""

import copy

import pytest
import torch
from networks import NETWORKS, Multiplied, network, removed, sweep
from torch import nn
from toys import TOYS, randomise, toy_case

from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.sites import find_sites

torch_pruning = pytest.importorskip("torch_pruning", reason="torch-pruning, which is compared with, is not installed")


def deleted(model, site, index, inputs):
    """Torch-Pruning's dependency graph deletes the channel in every layer that has it."""
    smaller = copy.deepcopy(model)
    for parameter in smaller.parameters():
        parameter.requires_grad_(True)
    graph = torch_pruning.DependencyGraph().build_dependency(smaller, example_inputs=inputs)
    channel = site.channels[0].index(index)
    group = graph.get_pruning_group(
        smaller.get_submodule(site.convolutions[0]), torch_pruning.prune_conv_out_channels, idxs=[channel]
    )
    assert graph.check_pruning_group(group)
    group.prune()
    with torch.no_grad():
        return smaller.eval()(inputs)


def compare(model, gated_model, sites, inputs, most=4):
    with torch.no_grad():
        kept = model(inputs)
    torch.testing.assert_close(gated_model(inputs), kept, rtol=1e-10, atol=1e-10)
    chosen = sites if len(sites) <= most else [sites[place * (len(sites) - 1) // (most - 1)] for place in range(most)]
    moved = 0
    for place, site in enumerate(chosen):
        index = (0, site.maps - 1, site.maps // 2)[place % 3]
        after = removed(gated_model, site, index, inputs)
        torch.testing.assert_close(after, deleted(model, site, index, inputs), rtol=1e-8, atol=1e-10)
        moved += int((after - kept).abs().max() > 1e-12)
    assert moved, "no removal changed anything, so nothing was compared"


@pytest.mark.filterwarnings("ignore")  # Torch-Pruning and torch.jit warn of their own calls
@pytest.mark.parametrize("name", sweep(NETWORKS))
def test_torchvision(name):
    model, inputs = network(name), torch.randn(2, *NETWORKS[name], dtype=torch.float64)
    gated_model, sites, _ = find_sites(model, inputs)
    compare(model, gated_model.double(), sites, inputs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["plain", "residual"])
def test_toys(name):
    build, shape = TOYS[name]
    model, inputs = randomise(build()).double(), torch.randn(2, *shape, dtype=torch.float64)
    gated_model, sites, _ = find_sites(model, inputs)
    compare(model, gated_model.double(), sites, inputs, most=10)


@pytest.mark.filterwarnings("ignore")
def test_embedded_residual_network():
    case = load("resnet-digits", 0).to("cpu", "float64")
    inputs = next(case.batches(case.train, range(4), 4)).inputs
    plain = copy.deepcopy(case.model)
    compare(plain, case.model, case.sites, inputs, most=10)


@pytest.mark.parametrize("name", ["vgg-digits", "r3dcnn-gestures"])
def test_embedded_chains(name):
    """By hand, for networks whose every map is read by the next layer alone."""
    case = load(name, 0).to("cpu", "float64")
    inputs = next(case.batches(case.train, range(3), 3)).inputs
    layers = [module for module in case.model.modules() if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear))]
    for site, layer, reader in zip(case.sites, layers, layers[1:], strict=False):
        smaller = copy.deepcopy(case.model)
        names = {module: name for name, module in case.model.named_modules()}
        keep = [index for index in range(site.maps) if index != 1]
        first, second = smaller.get_submodule(names[layer]), smaller.get_submodule(names[reader])
        first.weight, first.bias = nn.Parameter(first.weight[keep]), nn.Parameter(first.bias[keep])
        second.weight = nn.Parameter(second.weight[:, keep])
        with torch.no_grad():
            torch.testing.assert_close(removed(case.model, site, 1, inputs), smaller(inputs), rtol=1e-9, atol=1e-12)


def test_zeroing_the_filter_is_not_deletion_where_a_batch_norm_follows():
    """The trap that gates avoid: a filter of zeros leaves the batch norm's shift behind."""
    case = toy_case("plain")
    inputs = next(case.batches(case.train, range(3), 3)).inputs
    site = case.sites[0]
    differences = []
    for index in range(site.maps):
        zeroed = copy.deepcopy(case.model)
        with torch.no_grad():
            zeroed.get_submodule("features.0").weight[index] = 0
            zeroed.get_submodule("features.0").bias[index] = 0
            differences.append((zeroed(inputs) - removed(case.model, site, index, inputs)).abs().max())
    assert max(differences) > 1e-2


def test_a_depthwise_convolution_with_a_multiplier():
    """By hand: deleting map 1 takes its filter, the two that read it, and the two inputs that read those."""
    model, inputs = Multiplied().eval().double(), torch.randn(2, 1, 6, 6, dtype=torch.float64)
    gated_model, sites, _ = find_sites(model, inputs)
    assert [site.channels for site in sites] == [((0, 1, 2), (0, 0, 1, 1, 2, 2))]
    smaller, rows, pairs = Multiplied(2).double(), [0, 2], [0, 1, 4, 5]
    with torch.no_grad():
        smaller.conv.weight.copy_(model.conv.weight[rows])
        smaller.conv.bias.copy_(model.conv.bias[rows])
        smaller.depthwise.weight.copy_(model.depthwise.weight[pairs])
        smaller.depthwise.bias.copy_(model.depthwise.bias[pairs])
        smaller.read.weight.copy_(model.read.weight[:, pairs])
        smaller.read.bias.copy_(model.read.bias)
        torch.testing.assert_close(removed(gated_model.double(), sites[0], 1, inputs), smaller(inputs))
