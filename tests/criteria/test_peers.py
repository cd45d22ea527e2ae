"""The peers against independent references; what one computes otherwise than it says, a network of three lines shows."""

import copy
import dataclasses
import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from toys import output_is_loss, pixel_case, toy_case

from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.criteria.criterion import CRITERIA, choose_criteria, discover
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.peers import minibatches
from pruning_oracle.criteria.peers.dependencies import MISSING, grouped
from pruning_oracle.criteria.run import fitting
from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.measure import measure

LayerFeatureAblation = pytest.importorskip("captum.attr", reason="captum is not installed").LayerFeatureAblation
importance = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed").importance

PEERS = sorted(
    name for name, found in discover().items() if found.saliency.__module__.startswith("pruning_oracle.criteria.peers")
)
TORCH_PRUNING = [name for name in PEERS if name.startswith("torch_pruning")]


def scores(case, name, rows=range(4), size=3):
    found = CRITERIA[name]
    seen = collect(case, rows, size, found.needs, "test")
    return {site: found.reduce(found(evidence)) for site, evidence in seen.items()}


def chain(*layers, weights):
    """A network of those layers, the weights of its convolutions and linear layers given."""
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        mixing = [layer for layer in layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for layer, values in zip(mixing, weights, strict=True):
            layer.weight.copy_(torch.tensor(values).view_as(layer.weight))
    return model


# Torch-Pruning


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # filters 1, 2, −1, read by 10, −1, 5: the mean of both layers' Σw², without a root, over its own mean
        ("torch_pruning_magnitude", torch.tensor([101.0, 5, 26]) / 44),
        # gradient times weight is 70/4, −14/4, 15/4 at the filters, and again at what reads them
        ("torch_pruning_taylor", torch.tensor([70.0, 14, 15]) / 33),
        # the last pixel, 4, alone: gradients 40, −4, 0 by the filters and 4, 8, 0 by what reads them
        ("torch_pruning_hessian", torch.tensor([1600.0 + 1600, 64 + 64, 0]) / ((3200 + 128) / 3)),
        # squares 1, 4, 1 lie 3, 6, 3 from the others, and 100, 1, 25 lie 174, 123, 99
        ("torch_pruning_fpgm", torch.tensor([177.0, 129, 102]) / 136),
        # 50.5, 2.5 and 13 over the sum of those that are not smaller
        ("torch_pruning_lamp", torch.tensor([1, 2.5 / 66, 13 / 63.5])),
    ],
)
def test_torch_pruning_by_hand(name, expected):
    torch.testing.assert_close(scores(pixel_case(), name)["conv"], expected)


def test_torch_prunings_magnitude_is_without_the_root():
    """Filters (3, 4) and (1, 0), read by 0: norms are 5 and 1, and it says 25 and 1."""
    model = chain(nn.Conv2d(2, 2, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(2, 1), weights=([3.0, 4, 1, 0], [0.0, 0]))
    data = TensorDataset(torch.ones(6, 2, 1, 1), torch.zeros(6).long())
    found = scores(assemble(model, data, data, loss=output_is_loss), "torch_pruning_magnitude")["0"]
    assert (found[0] / found[1]).item() == pytest.approx(25)


def normed(norm=0.5):
    """Two maps behind a batch norm with γ of 1 and `norm`, read by 1 and 1."""
    model = chain(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2, 1, bias=False),
        weights=([1.0, 2], [1.0, 1]),
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1, norm]))
    data = TensorDataset(torch.tensor([1.0, 2, 3, 4, 5, 6]).view(6, 1, 1, 1), torch.zeros(6).long())
    return assemble(model, data, data, loss=output_is_loss)


def test_torch_prunings_batch_norm_scale():
    found = scores(normed(0.5), "torch_pruning_bn_scale")["0"]
    torch.testing.assert_close(found, torch.tensor([1, 0.5]) / 0.75)


def test_torch_prunings_taylor_leaves_batch_norm_out():
    """γ times its gradient is among what the importance is told to look at; it is the same whatever that gradient is."""
    case, found = normed(), {}
    for name in ("TaylorImportance", "HessianImportance"):
        for factor in (1.0, 100.0):
            with grouped(case) as copied:
                batch = next(copied.case.batches(case.train, [0, 1, 2], 3))
                copied.case.losses(batch).mean().backward()
                norm = copied.case.model.get_submodule("1")
                norm.weight.grad *= torch.tensor([factor, 1.0])
                found[name, factor] = getattr(importance, name)()(copied.groups[case.sites[0]])
    assert any(issubclass(nn.BatchNorm2d, wanted) for wanted in importance.TaylorImportance().target_types)
    assert torch.equal(found["TaylorImportance", 1.0], found["TaylorImportance", 100.0])
    assert not torch.equal(found["HessianImportance", 1.0], found["HessianImportance", 100.0])


def test_torch_prunings_hessian_keeps_the_last_example_only():
    case = pixel_case()
    last = scores(case, "torch_pruning_hessian", [3])["conv"]
    assert torch.equal(scores(case, "torch_pruning_hessian", [0, 1, 2, 3])["conv"], last)
    assert not torch.equal(scores(case, "torch_pruning_hessian", [3, 2])["conv"], last)


def test_torch_prunings_hessian_is_given_every_example_by_itself(monkeypatch):
    """Pixels 1, 2, −3 and 4: the gradient by the first filter is 10 times the pixel, and nothing where its ReLU is shut."""
    given = []
    monkeypatch.setattr(
        importance.HessianImportance,
        "accumulate_grad",
        lambda self, model: given.append(model.get_submodule("conv").weight.grad.flatten()[0].item()),
    )
    scores(pixel_case(), "torch_pruning_hessian")
    assert given == [10, 20, 0, 40]


def test_torch_prunings_activation_keeps_the_last_batch_only_and_is_not_offered():
    assert not {"torch_pruning_activation"} & CRITERIA.keys()
    assert "ActivationImportance" not in importance.__all__
    model = chain(nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 1, 1, bias=False), weights=([1.0, 2], [1.0, 1]))
    seen = importance.ActivationImportance()
    with seen.compute_importance(model), torch.no_grad():
        model(torch.full((1, 1, 1, 1), 100.0))
        model(torch.full((1, 1, 1, 1), 1.0))
    assert model[1]._importance.tolist() == [1, 2]


def test_torch_prunings_fpgm_does_not_tell_a_filter_from_its_opposite():
    """Filters 1, −1 and 0, read by 0: He et al. have distances of 3, 3 and 2, it has 1, 1 and 2."""
    model = chain(nn.Conv2d(1, 3, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3, 1), weights=([1.0, -1, 0], [0.0, 0, 0]))
    data = TensorDataset(torch.ones(6, 1, 1, 1), torch.zeros(6).long())
    case = assemble(model, data, data, loss=output_is_loss)
    assert scores(case, "geometric_median")["0"].tolist() == [3, 3, 2]
    assert scores(case, "torch_pruning_fpgm")["0"].tolist() == pytest.approx([0.75, 0.75, 1.5])


def test_torch_prunings_random_comes_from_the_seed_alone():
    case = pixel_case()
    first, again = (scores(case, "torch_pruning_random", rows)["conv"] for rows in ([0, 1], [3]))
    other = scores(dataclasses.replace(case, seed=1), "torch_pruning_random")["conv"]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    state = torch.get_rng_state()
    sources()["torch_pruning_random_importance"].gather(case, [0], 1)
    assert torch.equal(torch.get_rng_state(), state)


# Re-derived from descriptions


def two_positions():
    """Maps of 1 and 2 at two positions, read by 3 and −1 and by 1 and 1; a label turns the sign."""
    model = chain(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4, 1, bias=False),
        weights=([1.0, 1], [3.0, -1, 1, 1.0]),
    )
    data = TensorDataset(torch.tensor([1.0, 2]).view(1, 1, 1, 2).repeat(6, 1, 1, 1), torch.tensor([1, -1] * 3))
    return assemble(model, data, data, loss=lambda output, labels: output[:, 0] * labels)


def test_when_the_magnitude_is_taken():
    """Products are (3, −2) and (1, 2), and their opposites in the next example."""
    case = two_positions()
    assert scores(case, "taylor_mean", [0, 1])["0"].tolist() == [0.5, 1.5]  # eq. 8: per example, behind the positions
    assert scores(case, "jacobgil_taylor", [0, 1])["0"].tolist() == [0, 0]  # at the very end
    assert scores(case, "jacobgil_taylor", [0])["0"].tolist() == [0.5, 1.5]
    before = torch.tensor([2.5, 1.5])  # in front of the positions, and then scaled
    torch.testing.assert_close(scores(case, "nvlabs_iclr2017", [0, 1])["0"], before / before.norm())
    assert scores(case, "nvlabs_gate", [0, 1])["0"].tolist() == [0, 0]  # the minibatch's examples cancel
    assert scores(case, "nvlabs_gate", [0])["0"].tolist() == [1, 9]


def at_the_convolution(case, name, rows):
    """What a convolution gives, and the gradient of those examples' mean loss by it, in one pass of plain torch."""
    found = []

    def keep(module, inputs, output):
        output.retain_grad()
        found.append(output)

    hook = case.model.get_submodule(name).register_forward_hook(keep)
    case.losses(next(case.batches(case.train, rows, len(rows)))).mean().backward()
    hook.remove()
    return found[0].detach(), found[0].grad


def test_jacobgil_by_a_literal_loop():
    """Three minibatches of four, at the convolution itself: behind its ReLU the product is the same."""
    case, total = toy_case("plain"), 0
    for first in (0, 4, 8):
        activation, grad = at_the_convolution(case, "features.4", range(first, first + 4))
        total = total + (activation * grad).mean((0, 2, 3))
    found = scores(case, "jacobgil_taylor", range(12), 5)["features.4"]
    torch.testing.assert_close(found, total.abs() * 4 * 4 / 12)
    torch.testing.assert_close(found, scores(case, "taylor_signed", range(12))["features.4"] / 16)


ROWS = range(40)  # two minibatches, one of 32 and one of 8


def test_nvlabs_by_a_literal_loop():
    case, gate_total, early_total = toy_case("plain", 40), 0, 0
    site = case.site("features.4")
    for rows in (ROWS[:32], ROWS[32:]):
        gate = torch.ones(1, site.maps, dtype=torch.float64, requires_grad=True)  # one for the whole minibatch
        batch = next(case.batches(case.train, rows, 32))
        with gated(case.model, {site: gate.expand(len(rows), -1)}):
            case.losses(batch).mean().backward()
        gate_total = gate_total + gate.grad[0] ** 2
        activation, grad = at_the_convolution(case, "features.4", rows)
        early = (activation * grad).abs().mean((0, 2, 3))
        early_total = early_total + early / early.norm()
    torch.testing.assert_close(scores(case, "nvlabs_gate", ROWS, 5)["features.4"], gate_total)
    torch.testing.assert_close(scores(case, "nvlabs_iclr2017", ROWS, 5)["features.4"], early_total)


def test_nvlabs_lies_between_criteria_of_this_suite(monkeypatch):
    case = toy_case("plain", 40)
    monkeypatch.setattr(minibatches, "MINIBATCH", 1)
    squared = scores(case, "taylor_squared", ROWS)["features.0"] * 40
    torch.testing.assert_close(scores(case, "nvlabs_gate", ROWS)["features.0"], squared)
    monkeypatch.setattr(minibatches, "MINIBATCH", 40)
    signed = scores(case, "taylor_signed", ROWS)["features.0"]
    torch.testing.assert_close(scores(case, "nvlabs_gate", ROWS)["features.0"], signed.square())
    ratio = scores(case, "nvlabs_iclr2017", ROWS)["features.0"] / scores(case, "taylor_elementwise", ROWS)["features.0"]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_nni_taylor_by_a_literal_loop(monkeypatch):
    case, total = toy_case("plain", 40), 0
    weight = case.model.get_submodule("features.0").weight
    for rows in (ROWS[:32], ROWS[32:]):
        case.model.zero_grad()
        case.losses(next(case.batches(case.train, rows, 32))).mean().backward()
        total = total + (weight * weight.grad).square().sum((1, 2, 3)).detach()
    case.model.zero_grad()
    torch.testing.assert_close(scores(case, "nni_taylor", ROWS, 5)["features.0"], total / 2)
    monkeypatch.setattr(minibatches, "MINIBATCH", 40)
    found, ours = (scores(case, name, ROWS)["features.0"] for name in ("nni_taylor", "taylor_weight_elementwise"))
    torch.testing.assert_close(found, ours)


def test_nni_puts_a_relu_behind_the_convolution_whatever_follows():
    case = toy_case("plain")
    for name, ours in (("nni_activation", "activation_mean"), ("nni_apoz", "nonzero_share")):
        found, expected = scores(case, name, range(12), 5), scores(case, ours, range(12))
        torch.testing.assert_close(found["features.4"], expected["features.4"])  # a ReLU follows
        assert not torch.allclose(found["features.0"], expected["features.0"], rtol=0.1)  # a batch norm stands between
        output = at_the_convolution(case, "features.0", range(12))[0].relu()
        literal_loop = output.mean((0, 2, 3)) if name == "nni_activation" else (output > 0).double().mean((0, 2, 3))
        torch.testing.assert_close(found["features.0"], literal_loop)
    case.model.zero_grad()


def test_distiller_prunes_the_most_active_and_the_most_needed_first():
    """Maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0), read by 10, −1 and 5; the loss is the output, so removal is exact."""
    case = pixel_case()
    active, slope = (scores(case, name)["conv"] for name in ("distiller_activation", "distiller_gradient"))
    assert active.tolist() == [-7 / 4, -14 / 4, -3 / 4]
    assert slope.tolist() == [70 / 4, -14 / 4, 15 / 4]
    change = measure(case, partial(literal, case), range(4), 4).changes["conv"].mean(0)
    torch.testing.assert_close(slope, -change)  # the map that the loss needs most is the first to go


# All of them


def test_the_three_embedded_networks():
    """Torch-Pruning couples what the sites couple; only a network with batch norm has its scale."""
    for name in ("vgg-digits", "resnet-digits", "r3dcnn-gestures"):
        case = load(name, 0)
        needs = frozenset[str]().union(*(CRITERIA[peer].needs for peer in PEERS))
        missing = unavailable(case, needs)
        assert missing.keys() <= {"torch_pruning_bn_scale_importance"}
        assert bool(missing) == (name != "resnet-digits")
        seen = collect(case, range(16), 8, frozenset(needs - missing.keys()), "test")
        for peer in PEERS:
            if CRITERIA[peer].needs <= missing.keys():
                continue
            for site in case.sites:
                found = CRITERIA[peer].reduce(CRITERIA[peer](seen[site.name]))
                assert found.shape == (site.maps,)
                assert found.unique().numel() > 1


@pytest.mark.parametrize("network", ["vgg-digits", "r3dcnn-gestures"])
def test_torch_pruning_on_a_chain_by_plain_torch(network):
    """Its magnitude and its Taylor at every site, from the weights and their gradients themselves."""
    case = load(network, 0)
    found = {name: scores(case, f"torch_pruning_{name}", range(16), 5) for name in ("magnitude", "taylor")}
    case.losses(next(case.batches(case.train, range(16), 16))).mean().backward()
    layers = [module for module in case.model.modules() if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.Linear))]
    for site, layer, reader in zip(case.sites, layers, layers[1:], strict=False):
        for name in found:
            of = {"magnitude": lambda weight: weight**2, "taylor": lambda weight: (weight * weight.grad).abs()}[name]
            total = of(layer.weight).flatten(1).sum(1) + of(reader.weight).transpose(0, 1).flatten(1).sum(1)
            torch.testing.assert_close(found[name][site.name], (total / total.mean()).detach(), rtol=1e-4, atol=1e-6)


def squares(layer, dimension=0):
    return layer.weight.detach().square().transpose(0, dimension).flatten(1).sum(1)


def test_torch_pruning_on_a_residual_stream_by_plain_torch():
    """Three convolutions, their batch norms and the three that read the stream: each counts the same."""
    case = load("resnet-digits", 0)
    of = case.model.get_submodule
    members = [squares(of(f"stages.0.{name}")) for name in ("0.conv2", "0.shortcut.0", "1.conv2")]
    members += [of(f"stages.0.{name}").weight.detach().square() for name in ("0.norm2", "0.shortcut.1", "1.norm2")]
    members += [squares(of(f"stages.{name}"), 1) for name in ("0.1.conv1", "1.0.conv1", "1.0.shortcut.0")]
    total = torch.stack(members).mean(0)
    torch.testing.assert_close(scores(case, "torch_pruning_magnitude")["stages.0.0.conv2"], total / total.mean())


def test_torch_pruning_does_not_count_a_depthwise_convolution():
    """It deletes the depthwise convolution's filter with the map, and scores all layers but that."""
    case = toy_case("residual")
    of = case.model.get_submodule
    members = [squares(of("stem")), squares(of("branch")), of("norm").weight.detach().square(), squares(of("branch"), 1)]
    members += [squares(of("side"), 1), of("late").weight.detach().square()[:4], squares(of("mix"), 1)[:4]]
    total = torch.stack(members).mean(0)
    found = scores(case, "torch_pruning_magnitude")["stem"]
    assert "depthwise" in case.site("stem").convolutions
    torch.testing.assert_close(found.double(), total / total.mean(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["torch_pruning_hessian", "nvlabs_gate", "nvlabs_iclr2017", "nni_taylor"])
def test_what_is_said_to_depend_on_the_order_does(name):
    assert CRITERIA[name].order
    case = toy_case("plain", 40)
    there, back = (scores(case, name, rows)["features.0"] for rows in (ROWS, ROWS[::-1]))
    assert not torch.allclose(there, back, rtol=1e-3)


def test_a_missing_package_is_said_to_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    chosen, missing = fitting(pixel_case(), choose_criteria([*TORCH_PRUNING, "taylor"]), [])
    assert [criterion.name for criterion in chosen] == ["taylor"]
    assert missing == {name: f"{name}_importance: {MISSING}" for name in TORCH_PRUNING}


def test_what_torch_pruning_cannot_treat_is_one_line():
    reasons = unavailable(pixel_case(), frozenset({"torch_pruning_bn_scale_importance", "torch_pruning_taylor_importance"}))
    assert reasons == {"torch_pruning_bn_scale_importance": "torch-pruning: at site conv it finds no layer that it scores"}

    assert set(unavailable(toy_case("clips"), frozenset({"torch_pruning_taylor_importance"})).values()) == {
        "torch-pruning: at site conv it finds no end of what it couples"
    }


def test_a_group_of_zeros_ranks_nothing():
    """A mean of 0 cannot be divided by: a run goes on, and its agreement is undefined."""
    case = dataclasses.replace(pixel_case(), loss=lambda output, labels: 0 * output[:, 0])
    assert scores(case, "torch_pruning_taylor")["conv"].tolist() == [0, 0, 0]


class Shortcut(nn.Module):
    """Two maps go on as the middle ones of four, as ResNet-20's do on CIFAR-10."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.read = nn.Linear(4, 2)

    def forward(self, images):
        maps = torch.relu(self.first(images))
        return self.read(torch.relu(self.second(maps) + nn.functional.pad(maps, (0, 0, 0, 0, 1, 1))).mean((2, 3)))


def test_another_coupling_than_the_sites_is_refused():
    data = TensorDataset(torch.randn(6, 1, 4, 4), torch.zeros(6).long())
    case = assemble(Shortcut().eval(), data, data)
    reasons = unavailable(case, frozenset({"torch_pruning_magnitude_importance"}))
    said = "it couples second's channels 0 (map 0), 1 (map 1), where the maps have 1 (map 0), 2 (map 1)"
    assert reasons == {"torch_pruning_magnitude_importance": f"torch-pruning: at site first {said}"}


# captum's ablation, a second oracle


@pytest.mark.parametrize(("activation", "right"), [(nn.ReLU, True), (nn.SiLU, False), (nn.ELU, False)])
def test_captum_at_a_convolution_in_front_of_an_in_place_activation(activation, right):
    """It keeps the convolution's output, which the activation overwrites and then meets again; ReLU does not mind."""
    layers = nn.Conv2d(1, 3, 1, bias=False), activation(inplace=True), nn.Flatten(), nn.Linear(3, 1)
    model = chain(*layers, weights=([1.0, 2, -1], [10.0, -1, 5]))
    image, mask = torch.full((1, 1, 1, 1), 2.0), torch.arange(3).view(1, 3, 1, 1)
    truth = []
    for index in range(3):
        smaller = copy.deepcopy(model)
        nn.init.zeros_(smaller[0].weight[index])
        truth.append((model(image) - smaller(image)).item())
    found = LayerFeatureAblation(model, model[0]).attribute(image, layer_mask=mask)
    assert (found.flatten().tolist() == pytest.approx(truth)) == right
    data = TensorDataset(image[0].repeat(6, 1, 1, 1), torch.zeros(6).long())
    case = assemble(model, data, data, loss=output_is_loss)
    gate = case.model.get_submodule(case.sites[0].gates[0])
    behind = LayerFeatureAblation(case.model, gate).attribute(image, layer_mask=mask)
    assert behind.flatten().tolist() == pytest.approx(truth)
