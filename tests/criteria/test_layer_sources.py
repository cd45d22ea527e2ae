"""Evidence of whole layers, of outputs and of the weights alone, against literal definitions in float64."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.consumers import consumers
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.coupled import group_fisher
from pruning_oracle.criteria.curvature import fisher
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.sources import kronecker_answer
from pruning_oracle.criteria.sources.attribution import gates_of
from pruning_oracle.criteria.sources.consumers import by_channel
from pruning_oracle.criteria.sources.own_labels import draw

ROWS = range(3)
close = partial(torch.testing.assert_close, rtol=1e-8, atol=1e-10)


def gathered(case, name, rows=ROWS, size=2):
    evidence = collect(case, rows, size, frozenset({name}), "test")
    return {site: seen.statistics[name] for site, seen in evidence.items()}


def backward(case, row):
    """Leaves the gradient of one example's loss in every parameter of a case."""
    case.model.zero_grad()
    for parameter in case.model.parameters():
        parameter.requires_grad_(True)
    case.losses(next(case.batches(case.train, [row], 1))).sum().backward()


class Products(nn.Module):
    """A layer whose weights are another's, each times its gradient, so that what reads weights reads the products."""

    def __new__(cls, layer):
        found = copy.deepcopy(layer)
        for own, theirs in zip(found.parameters(), layer.parameters(), strict=True):
            own.data = theirs.detach() * theirs.grad
        return found


def reading(case, name, channels):
    """Σ weight × gradient of the weights with which a layer reads each map."""
    read = by_channel(Products(case.model.get_submodule(name)))
    return torch.stack([read[list(own)].sum() for own in channels])


def making(case, site):
    """Σ weight × gradient of the filter and bias that make each map, per convolution."""
    for name, channels in zip(site.convolutions, site.channels, strict=True):
        products, found = Products(case.model.get_submodule(name)), torch.zeros(site.maps, dtype=torch.float64)
        for channel, index in enumerate(channels):
            if index >= 0:
                found[index] += products.weight[channel].sum() + (0 if products.bias is None else products.bias[channel])
        yield found


@pytest.mark.parametrize("name", TOYS)
def test_what_passes_layers_is_weight_times_gradient_of_their_parameters(name):
    case = toy_case(name)
    read, whole = gathered(case, "consumer_product"), gathered(case, "layer_products")
    norms = {layer: module for layer, module in case.model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for row in ROWS:
        backward(case, row)
        for site in case.sites:
            parts = [reading(case, layer, channels) for layer, channels in consumers(case)[site.name]]
            close(read[site.name][row], torch.stack(parts).sum(0))
            for layer, channels in consumers(case, also=(nn.BatchNorm2d,))[site.name]:
                if layer in norms:
                    products = Products(norms[layer])
                    parts.append(torch.stack([(products.weight + products.bias)[list(own)].sum() for own in channels]))
            close(whole[site.name][row], torch.stack([*parts, *making(case, site)]).square().sum(0))


def test_group_fisher_is_fisher_where_one_layer_reads_the_map_and_not_in_a_residual_stream():
    needs = frozenset({"consumer_product", "gate_grad"})
    for seen in collect(toy_case("plain"), ROWS, 2, needs, "test").values():
        close(group_fisher(seen), fisher(seen))
    residual = collect(toy_case("residual"), ROWS, 2, needs, "test")
    differ = {site for site, seen in residual.items() if not torch.allclose(group_fisher(seen), fisher(seen))}
    assert differ == {site.name for site in toy_case("residual").sites if len(site.gates) > 1} != set()


@pytest.mark.parametrize("name", TOYS)
def test_squared_gradients_of_weights_against_a_backward_pass_of_each_example(name):
    case = toy_case(name)
    seen = gathered(case, "weight_fisher")
    expected = {site.name: 0 for site in case.sites}
    for row in ROWS:
        backward(case, row)
        for site in case.sites:
            (conv,) = site.convolutions[:1]
            weight, channels = case.model.get_submodule(conv).weight, site.channels[0]
            own = [weight.grad[channels.index(index)].flatten().square() / 3 for index in range(site.maps)]
            expected[site.name] = expected[site.name] + torch.stack(own)
    for site, values in expected.items():
        close(seen[site][:, : values.shape[1]], values)


def test_the_kronecker_answer_is_that_of_the_whole_matrix():
    """Optimal Brain Surgeon with the Kronecker product itself: what losing all weights of a filter costs at the best answer."""
    case = toy_case("plain")
    seen, conv = gathered(case, "kronecker_answer")["features.4"][0], case.model.get_submodule("features.4")
    kept = []
    conv.register_forward_hook(lambda module, args, output: kept.extend([args[0].detach(), output]) or output.retain_grad())
    case.model.zero_grad()
    case.losses(next(case.batches(case.train, ROWS, 3))).sum().backward()
    patches = nn.functional.pad(nn.functional.unfold(kept[0], 3, padding=1), (0, 0, 0, 1), value=1.0)  # a 1 for the bias
    of_inputs = torch.einsum("nip,njp->ij", patches, patches) / 3
    slopes = kept[1].grad.flatten(2)
    of_slopes = torch.einsum("nip,njp->ij", slopes, slopes) / (3 * slopes.shape[2])
    of_slopes += kronecker_answer.DAMPING * of_slopes.diagonal().mean() * torch.eye(4)
    filters = torch.cat([conv.weight.detach().flatten(1), conv.bias.detach()[:, None]], 1)
    inverse = torch.kron(of_slopes, of_inputs).inverse().unflatten(0, (4, -1)).unflatten(2, (4, -1))
    expected = [own @ inverse[index, :, index].inverse() @ own / 2 for index, own in enumerate(filters)]
    torch.testing.assert_close(seen, torch.stack(expected), rtol=1e-6, atol=0)


def test_filters_of_different_groups_do_not_answer_for_each_other():
    """A depthwise convolution has one filter to a group: each keeps its whole gradient."""
    factors = kronecker_answer.Factors(2)
    outputs = torch.randn(3, 2, 5, dtype=torch.float64)
    slopes = torch.randn(3, 1, 5, dtype=torch.float64).expand(3, 2, 5)  # equal, so that one would explain the other
    factors.add(outputs, slopes)
    square = slopes[:, 0].square().mean()
    close(factors.answered(3), outputs.square().sum((0, 2)) / 3 * square * (1 + kronecker_answer.DAMPING) / 2)
    together = kronecker_answer.Factors(1)
    together.add(outputs, slopes)
    assert bool((together.answered(3) < factors.answered(3) / 100).all())


def test_a_layer_without_slope_costs_nothing():
    factors = kronecker_answer.Factors(1)
    factors.add(torch.ones(3, 2, 5), torch.zeros(3, 2, 5))
    assert factors.answered(3).tolist() == [0, 0]


@pytest.mark.parametrize("name", TOYS)
def test_independence_is_the_fall_of_the_nuclear_norm(name):
    case = toy_case(name)
    seen = gathered(case, "channel_independence")
    batch = next(case.batches(case.train, ROWS, 3))
    for site in case.sites:
        outputs = []
        gates = gates_of(case, site)
        hooks = [
            gate.register_forward_hook(lambda gate, _, output, into=outputs: into.append((gate, output))) for gate in gates
        ]
        case.model(batch.inputs)
        for hook in hooks:
            hook.remove()
        for row in ROWS:
            for index in range(site.maps):
                falls = []
                for gate, output in outputs:
                    for clip in output.unflatten(0, (3, -1))[row]:
                        matrix = clip.detach().movedim(gate.axis - 1, 0).flatten(1).numpy()
                        owners = np.array(list(gate.maps))
                        without = np.where((owners == index)[:, None], 0, matrix)[owners >= 0]
                        falls.append(np.linalg.norm(matrix[owners >= 0], "nuc") - np.linalg.norm(without, "nuc"))
                assert float(seen[site.name][row, index]) == pytest.approx(np.mean(falls), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", TOYS)
def test_flow_is_that_of_the_network_of_magnitudes(name):
    case = toy_case(name)
    before = copy.deepcopy(case.model.state_dict())
    seen = gathered(case, "synaptic_flow")
    after = case.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())  # the network itself is untouched
    case.model.load_state_dict({key: value.abs() for key, value in before.items()})
    case.model.requires_grad_(True)
    inputs = torch.ones_like(next(case.batches(case.train, [0], 1)).inputs)
    flow = case.model(inputs).sum()
    flow.backward()
    for site in case.sites:
        expected = torch.zeros(site.maps, dtype=torch.float64)
        for conv, channels in zip(site.convolutions, site.channels, strict=True):
            products = Products(case.model.get_submodule(conv)).weight.abs().flatten(1).sum(1)
            for channel, index in enumerate(channels):
                expected[index] += products[channel] if index >= 0 else 0
        close(seen[site.name][0], expected / flow.detach())


def test_flow_of_layers_without_biases_is_conserved():
    assert float(gathered(pixel_case(), "synaptic_flow")["conv"].sum()) == pytest.approx(1)


def test_a_network_without_flow_says_so():
    case = pixel_case()
    nn.init.zeros_(case.model.get_submodule("read").weight)
    assert unavailable(case, frozenset({"synaptic_flow"})) == {"synaptic_flow": "no flow reaches the output"}


def test_a_flow_that_saturates_says_so():
    reasons = unavailable(load("r3dcnn-gestures", 0), frozenset({"synaptic_flow"}))
    assert reasons == {"synaptic_flow": "the flow does not change with any weight, since it saturates a layer"}


def test_labels_are_drawn_by_their_chances_and_by_the_row_alone():
    chances = torch.tensor([0.2, 0.0, 0.5, 0.3]).expand(4000, 4)
    drawn = draw(0, range(4000), chances)
    assert torch.bincount(drawn, minlength=4).div(4000).tolist() == pytest.approx([0.2, 0, 0.5, 0.3], abs=0.03)
    assert torch.equal(draw(0, [7, 3], chances[:2]), drawn[[7, 3]])
    assert not torch.equal(draw(1, range(4000), chances), drawn)


@pytest.mark.parametrize("name", TOYS)
def test_fisher_of_the_outputs_is_an_expectation_over_labels(name):
    case = toy_case(name)
    exact, sampled = gathered(case, "output_fisher"), gathered(case, "sampled_grad")
    for row in ROWS:
        batch = next(case.batches(case.train, [row], 1))
        label = int(draw(case.seed, [row], case.model(batch.inputs).detach().softmax(1)))
        for site in case.sites:

            def logs(gates, site=site, batch=batch):
                with gated(case.model, {site: gates[None]}):
                    return case.model(batch.inputs)[0].log_softmax(0)

            slopes = torch.autograd.functional.jacobian(logs, torch.ones(site.maps, dtype=torch.float64))
            chances = logs(torch.ones(site.maps, dtype=torch.float64)).exp().detach()
            close(exact[site.name][row], (chances[:, None] * slopes.square()).sum(0))
            close(sampled[site.name][row], -slopes[label])


@pytest.mark.parametrize("name", ["consumer_product", "layer_products", "kronecker_answer", "weight_fisher", "sampled_grad"])
def test_no_hook_and_no_gradient_stays_after_a_failure(name):
    case = toy_case("plain")

    def fail(module, args):
        raise BadInput("broken")

    handle = case.model.get_submodule("classifier").register_forward_pre_hook(fail)
    with pytest.raises(BadInput):
        gathered(case, name)
    handle.remove()
    hooks = [
        hook
        for module in case.model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    assert hooks == []
    assert gathered(case, name).keys() == {site.name for site in case.sites}
