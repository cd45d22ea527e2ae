"""Evidence that takes passes of its own, and of weights, each against an independent or literal reference."""

import dataclasses
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from toys import TOYS, pixel_case, randomise, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.batchnorm import norm_gamma
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.passes import open_gates
from pruning_oracle.criteria.evidence.source import source
from pruning_oracle.criteria.sources import hessian, path
from pruning_oracle.criteria.sources.attribution import gates_of
from pruning_oracle.oracle.literal import literal

with_captum = pytest.mark.skipif(find_spec("captum") is None, reason="captum is not installed")


def gathered(case, name, rows=range(3), size=2):
    evidence = collect(case, rows, size, frozenset({name}), "test")
    return {site: seen.statistics[name] for site, seen in evidence.items()}


def by_autograd(case, row, site):
    """The Hessian's diagonal of one example's loss by one site's gates, from torch."""
    batch = next(case.batches(case.train, [row], 1))

    def loss(gates):
        with gated(case.model, {site: gates[None]}):
            return case.losses(batch)[0]

    return torch.autograd.functional.hessian(loss, torch.ones(site.maps, dtype=torch.float64)).diagonal()


@pytest.mark.parametrize("name", TOYS)
def test_the_hessian_of_a_small_network_is_exact(name):
    case = toy_case(name)
    seen = gathered(case, "gate_hessian")
    expected = {site.name: torch.stack([by_autograd(case, row, site) for row in range(3)]) for site in case.sites}
    for site, values in expected.items():
        torch.testing.assert_close(seen[site], values, rtol=1e-7, atol=1e-9)
    assert max(float(values.abs().max()) for values in expected.values()) > 1e-4


def test_the_estimated_hessian_tends_to_the_exact_one_and_does_not_depend_on_batches(monkeypatch):
    case = toy_case("residual")
    exact = gathered(case, "gate_hessian")
    monkeypatch.setattr(hessian, "EXACT", 0)
    few = gathered(case, "gate_hessian")
    alone = gathered(case, "gate_hessian", rows=[2, 0], size=1)
    monkeypatch.setattr(hessian, "PROBES", 2048)
    many = gathered(case, "gate_hessian")
    for site in exact:
        torch.testing.assert_close(alone[site], few[site][[2, 0]], rtol=1e-9, atol=1e-12)
    errors = []
    for found in (few, many):
        errors.append(torch.cat([(found[site] - exact[site]).flatten() for site in exact]).square().mean().sqrt())
    assert 0 < errors[1] < errors[0] / 10  # by chance as √(2048 / 2) = 32


def test_the_path_of_one_gate_is_the_removal_of_its_map():
    case = toy_case("plain")
    batch = next(case.batches(case.train, range(3), 3))
    for site in case.sites:
        expected = literal(case, site, batch)
        errors = []
        for steps in (16, 256):
            found = torch.zeros_like(expected)
            for index in range(site.maps):
                direction = {other: torch.zeros_like(gate) for other, gate in open_gates(case, 3).items()}
                direction[site][:, index] = 1.0
                found[:, index] = path.integrate(case, batch, direction, steps)[site][:, index]
            errors.append(float((found - expected).abs().max()))
        assert errors[1] < 1e-3 < float(expected.abs().max())
        assert errors[1] < errors[0]


@pytest.mark.parametrize("name", TOYS)
def test_the_parts_of_a_path_add_up_to_the_change_at_its_end(name):
    case = toy_case(name)
    batch = next(case.batches(case.train, range(3), 3))
    parts = path.integrate(case, batch, open_gates(case, 3), 512)
    with torch.no_grad(), gated(case.model, open_gates(case, 3, 0.0)):
        closed = case.losses(batch)
    change = closed - case.losses(batch).detach()
    torch.testing.assert_close(sum(part.sum(1) for part in parts.values()), change, rtol=2e-3, atol=2e-3)


@with_captum
def test_conductance_adds_up_to_the_change_from_a_zero_input(monkeypatch):
    monkeypatch.setattr("pruning_oracle.criteria.sources.attribution.STEPS", 400)
    case = toy_case("plain")
    seen = gathered(case, "gate_conductance")
    batch = next(case.batches(case.train, range(3), 3))
    with torch.no_grad():
        zero = case.loss(case.model(torch.zeros_like(batch.inputs)), batch.labels)
        change = case.losses(batch) - zero
    for values in seen.values():
        torch.testing.assert_close(values.sum(1), change, rtol=2e-2, atol=1e-2)


@with_captum
@pytest.mark.parametrize("name", ["plain", "residual", "twice"])
def test_relevance_is_gradient_times_activation_of_the_labels_score(name):
    case = toy_case(name)
    seen = gathered(case, "gate_relevance")
    batch = next(case.batches(case.train, range(3), 3))
    gates = open_gates(case, 3)
    with gated(case.model, gates):
        scores = case.model(batch.inputs).gather(1, batch.labels[:, None]).sum()
    slopes = torch.autograd.grad(scores, list(gates.values()))
    for site, slope in zip(case.sites, slopes, strict=True):
        torch.testing.assert_close(seen[site.name], slope, rtol=1e-3, atol=1e-5)


@with_captum
def test_what_captum_cannot_do_is_said():
    assert (
        "called once, with one row per example"
        in unavailable(toy_case("clips"), frozenset({"gate_conductance"}))["gate_conductance"]
    )
    assert unavailable(toy_case("plain"), frozenset({"gate_conductance", "gate_relevance"})) == {}


@pytest.mark.parametrize("name", TOYS)
def test_ranks_of_maps_against_numpy(name):
    case = toy_case(name)
    seen = gathered(case, "feature_rank")
    batch = next(case.batches(case.train, range(3), 3))
    for site in case.sites:
        outputs = []

        def keep(module, inputs, output, outputs=outputs):
            outputs.append((module, output.detach()))

        hooks = [gate.register_forward_hook(keep) for gate in gates_of(case, site)]
        case.model(batch.inputs)
        for hook in hooks:
            hook.remove()
        for row in range(3):
            for index in range(site.maps):
                ranks = []
                for gate, output in outputs:
                    for channel in (channel for channel, of in enumerate(gate.maps) if of == index):
                        for clip in output.unflatten(0, (3, -1))[row]:
                            map_ = np.atleast_2d(clip.movedim(gate.axis - 1, 0)[channel].float().numpy())
                            ranks += [np.linalg.matrix_rank(part) for part in map_.reshape(-1, *map_.shape[-2:])]
                assert float(seen[site.name][row, index]) == pytest.approx(np.mean(ranks), abs=1e-6)


@pytest.mark.parametrize("name", TOYS)
def test_weight_evidence_against_a_backward_pass_of_each_example(name):
    case = toy_case(name)
    evidence = collect(case, range(3), 2, frozenset({"weight_grad", "weight_product"}), "test")
    mean = {site.name: torch.zeros_like(evidence[site.name].weights) for site in case.sites}
    for row in range(3):
        case.model.zero_grad()
        case.losses(next(case.batches(case.train, [row], 1))).sum().backward()
        for site in case.sites:
            columns = []
            for conv, channels in zip(site.convolutions, site.channels, strict=True):
                weight = case.model.get_submodule(conv).weight
                grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                rows = [[] for _ in range(site.maps)]
                for channel, index in enumerate(channels):
                    if index >= 0:
                        rows[index].append(grad[channel].flatten())
                columns.append(torch.stack([torch.cat(parts) for parts in rows]))
            own = torch.cat(columns, 1)
            product = (own * evidence[site.name].weights).sum(1)
            torch.testing.assert_close(evidence[site.name].weight_product[row], product, rtol=1e-9, atol=1e-12)
            mean[site.name] += own / 3
    case.model.zero_grad()
    for site in case.sites:
        torch.testing.assert_close(evidence[site.name].weight_grad, mean[site.name], rtol=1e-9, atol=1e-12)


def test_the_scale_of_a_batch_norm():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    data = TensorDataset(torch.randn(8, 1, 4, 4), torch.arange(8) % 2)
    case = assemble(randomise(model), data, data)
    assert torch.equal(gathered(case, "norm_scale")["0"][:, 0], model[1].weight)
    with torch.no_grad():
        case.model.get_submodule("1").weight.copy_(torch.tensor([0.5, -2.0, 1.0]))
    seen = collect(case, range(3), 3, frozenset({"norm_scale"}), "test")["0"]
    assert norm_gamma(seen)[0].tolist() == [0.5, 2.0, 1.0]
    assert unavailable(toy_case("plain"), frozenset({"norm_scale"})) == {"norm_scale": "no batch norm follows features.4"}
    resnet = load("resnet-digits", 0)
    assert unavailable(resnet, frozenset({"norm_scale"})) == {}
    assert {name: scale.shape[1] for name, scale in gathered(resnet, "norm_scale").items()} == {
        site.name: len(site.convolutions) for site in resnet.sites
    }


def test_the_weights_that_read_a_map():
    case = toy_case("plain")
    found = gathered(case, "consumer_weights")
    next_conv = case.model.get_submodule("features.4").weight
    torch.testing.assert_close(found["features.0"], next_conv.transpose(0, 1).flatten(1))
    linear = case.model.get_submodule("classifier").weight
    expected = linear.view(3, 4, 16).permute(1, 2, 0).flatten(1)
    torch.testing.assert_close(found["features.4"], expected)


def test_a_loss_without_slope_is_said():
    case = dataclasses.replace(pixel_case(), loss=lambda output, labels: (output[:, 0] > 0).float())
    needs = frozenset({"gate_grad", "gate_hessian", "mean", "gate_path"})
    assert unavailable(case, needs) == dict.fromkeys(needs - {"mean"}, "the loss has no gradient")


def test_what_learns_is_afterwards_what_learned_before():
    case = toy_case("plain")
    case.model.get_submodule("classifier").weight.requires_grad_(False)
    before = {name: parameter.requires_grad for name, parameter in case.model.named_parameters()}
    collect(case, range(3), 2, frozenset({"gate_grad", "weight_grad", "gate_path"}), "test")
    assert {name: parameter.requires_grad for name, parameter in case.model.named_parameters()} == before
    assert set(before.values()) == {True, False}


@pytest.mark.parametrize("name", ["weights", "labels", "site", "statistics"])
def test_evidence_named_like_a_field_would_never_be_seen(name):
    def gather(case, rows, size):
        return {}

    gather.__name__ = name
    with pytest.raises(BadInput, match=f"evidence '{name}' is a field that all evidence has"):
        source()(gather)


def test_evidence_has_one_name():
    with pytest.raises(BadInput, match=r"evidence 'gate_path' already exists in pruning_oracle.criteria.sources.path"):

        @source()
        def gate_path(case, rows, size):
            return {}
