"""The evidence against plain hooks, finite differences and itself at other batch sizes."""

import dataclasses

import pytest
import torch
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.filters import filters
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS


@pytest.mark.parametrize("name", TOYS)
def test_the_gate_gradient_is_the_derivative_of_the_loss(name):
    case = toy_case(name)
    batch = next(case.batches(case.train, range(3), 3))
    evidence = collect(case, range(3), 2, SHARED_PASS, "test")
    step = 1e-6
    for site in case.sites:
        for index in range(site.maps):
            losses = []
            for value in (1 + step, 1 - step):
                gates = torch.ones(3, site.maps, dtype=torch.float64)
                gates[:, index] = value
                with torch.no_grad(), gated(case.model, {site: gates}):
                    losses.append(case.loss(case.model(batch.inputs), batch.labels))
            slope = (losses[0] - losses[1]) / (2 * step)
            torch.testing.assert_close(evidence[site.name].gate_grad[:, index], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", TOYS)
def test_any_batching_gives_the_same(name):
    case = toy_case(name)
    every = SHARED_PASS | frozenset(sources())
    needs = every - frozenset(unavailable(case, every))
    whole, parts = (collect(case, range(12), size, needs, "test") for size in (12, 5))
    for site in whole:
        assert whole[site].statistics.keys() == needs
        for statistic, values in whole[site].statistics.items():
            torch.testing.assert_close(parts[site].statistics[statistic], values, rtol=1e-9, atol=1e-12)
        assert torch.equal(parts[site].labels, whole[site].labels)


def test_by_hand():
    """Pixels 1, 2, −3, 4: maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0), read with 10, −1, 5."""
    seen = collect(pixel_case(), range(4), 3, SHARED_PASS, "test")["conv"]
    maps = torch.tensor([[1.0, 2, 0], [2, 4, 0], [0, 0, 3], [4, 8, 0]])
    assert torch.equal(seen.mean, maps)
    assert torch.equal(seen.mean_square, maps**2)
    assert torch.equal(seen.zero_share, (maps == 0).float())
    assert torch.equal(seen.magnitude, maps)
    assert torch.equal(seen.largest, maps)
    assert torch.equal(seen.product_magnitude, maps * torch.tensor([10.0, 1, 5]))
    assert torch.equal(seen.gate_grad, maps * torch.tensor([10.0, -1, 5]))
    assert seen.positions.tolist() == [1, 1, 1]
    assert seen.weights.tolist() == [[1], [2], [-1]]
    assert seen.labels.tolist() == [0, 1, 0, 1]


def test_clips_gates_and_calls_are_counted_as_positions():
    clips = collect(toy_case("clips"), range(2), 2, frozenset({"mean"}), "test")["conv"]
    assert clips.positions.tolist() == [2 * 4 * 6 * 6] * 3
    twice = collect(toy_case("twice"), range(2), 2, frozenset({"mean"}), "test")["conv"]
    assert twice.positions.tolist() == [2 * 4 * 8] * 4
    stream = collect(toy_case("residual"), range(2), 2, frozenset({"mean"}), "test")
    gates = {site.name: len(site.gates) for site in toy_case("residual").sites}
    assert stream["stem"].positions.tolist() == [gates["stem"] * 36] * 4


def test_the_mean_agrees_with_a_hook_behind_the_activation():
    case, rows = toy_case("plain"), range(4)
    batch = next(case.batches(case.train, rows, 4))
    found = []
    hook = case.model.get_submodule("features.2").register_forward_hook(lambda m, i, output: found.append(output.clone()))
    seen = collect(case, rows, 4, frozenset({"mean", "zero_share"}), "test")["features.0"]
    hook.remove()
    torch.testing.assert_close(seen.mean, found[0].mean((2, 3)))
    torch.testing.assert_close(seen.zero_share, (found[0] == 0).double().mean((2, 3)))
    assert len(batch.labels) == 4


@pytest.mark.parametrize("name", TOYS)
def test_the_product_and_the_largest_agree_with_a_literal_loop(name):
    """One example at a time, from the values and gradients at the gates themselves."""
    case = toy_case(name)
    seen = collect(case, range(3), 2, SHARED_PASS, "test")
    for row in range(3):
        batch, outputs = next(case.batches(case.train, [row], 1)), {}
        hooks = []
        for gate in {gate for site in case.sites for gate in site.gates}:

            def keep(module, inputs, output, gate=gate, outputs=outputs):
                output.retain_grad()
                outputs.setdefault(gate, []).append(output)

            hooks.append(case.model.get_submodule(gate).register_forward_hook(keep))
        case.losses(batch).sum().backward()
        for hook in hooks:
            hook.remove()
        case.model.zero_grad()
        for site in case.sites:
            for index in range(site.maps):
                values, products = [], []
                for name_ in site.gates:
                    gate = case.model.get_submodule(name_)
                    channels = [channel for channel, of in enumerate(gate.maps) if of == index]
                    for output in outputs[name_]:
                        grad = torch.zeros_like(output) if output.grad is None else output.grad
                        values.append(output.movedim(gate.axis, 0)[channels].flatten())
                        products.append((output * grad).movedim(gate.axis, 0)[channels].flatten())
                assert seen[site.name].largest[row, index] == torch.cat(values).max()
                torch.testing.assert_close(
                    seen[site.name].product_magnitude[row, index], torch.cat(products).abs().sum().detach()
                )


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_the_curvature_is_the_second_derivative_of_a_piecewise_linear_network(name):
    case = toy_case(name)
    seen = collect(case, range(3), 2, frozenset({"gate_curvature"}), "test")
    moved = 0.0
    for row in range(3):
        batch = next(case.batches(case.train, [row], 1))
        for site in (site for site in case.sites if len(site.gates) == 1):  # gates behind one another multiply

            def loss(gates, site=site, batch=batch):
                with gated(case.model, {site: gates[None]}):
                    return case.losses(batch)[0]

            hessian = torch.autograd.functional.hessian(loss, torch.ones(site.maps, dtype=torch.float64))
            torch.testing.assert_close(seen[site.name].gate_curvature[row], hessian.diagonal(), rtol=1e-7, atol=1e-9)
            moved = max(moved, float(hessian.diagonal().max()))
    assert moved > 1e-4


def test_an_output_without_curvature_is_named():
    case = dataclasses.replace(pixel_case(), model=Many())
    said = "it takes an output [example, at most 128 numbers], and the network gives (1, 129)"
    assert unavailable(case, frozenset({"gate_curvature"})) == {"gate_curvature": said}


class Many(torch.nn.Module):
    """A network with more outputs than curvature is measured for."""

    def forward(self, images):
        return images.new_zeros(len(images), 129)


def test_only_what_is_needed_is_gathered():
    seen = collect(pixel_case(), range(3), 3, frozenset({"mean"}), "test")["conv"]
    assert seen.statistics.keys() == {"mean"}
    with pytest.raises(
        AttributeError, match="no evidence 'gate_grad' was gathered at conv: name it in the criterion's `needs`"
    ):
        _ = seen.gate_grad


def test_nothing_of_the_pass_stays_on_the_model():
    case = toy_case("plain")
    collect(case, range(3), 3, SHARED_PASS, "test")
    assert not any(module._forward_hooks for module in case.model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in case.model.parameters())


def test_filters_of_a_coupled_site_lie_side_by_side():
    case = toy_case("residual")
    site = case.site("stem")
    assert site.convolutions == ("stem", "branch", "depthwise")
    weights = filters(case.model, site)
    parts = [case.model.get_submodule(name).weight[2].flatten() for name in site.convolutions]
    assert torch.equal(weights[2], torch.cat(parts))


def test_filters_of_a_transposed_convolution():
    module = torch.nn.ConvTranspose2d(4, 6, 2, groups=2)
    site = toy_case("plain").sites[0].__class__("0", 6, ("0",), (), (tuple(range(6)),))
    found = filters(torch.nn.Sequential(module), site)
    assert torch.equal(found[4], module.weight[2:, 1].flatten())
