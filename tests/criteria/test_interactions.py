"""Curvature of the loss along the gates of every two maps: against the whole Hessian, finite differences, and by hand."""

import pytest
import torch
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.setting import Resources
from pruning_oracle.criteria import interactions
from pruning_oracle.criteria.interactions import curvature, run_curvature


def mean_loss(case, rows):
    """The mean loss on these rows as a function of one number per map, the same for every example."""
    batch = next(case.batches(case.train, rows, len(rows)))

    def loss(gates):
        parts = gates.split([site.maps for site in case.sites])
        values = {site: part.expand(len(rows), -1) for site, part in zip(case.sites, parts, strict=True)}
        with gated(case.model, values):
            return case.loss(case.model(batch.inputs), batch.labels).mean()

    return loss, torch.ones(sum(site.maps for site in case.sites), dtype=torch.float64)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("size", [12, 5])
def test_products_equal_the_whole_hessian(name, size):
    case, rows = toy_case(name), range(12)
    loss, gates = mean_loss(case, rows)
    whole = torch.autograd.functional.hessian(loss, gates)
    found = curvature(case, rows, size)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(found, whole, rtol=1e-8, atol=1e-10)
    assert torch.equal(found, found.T)


def test_products_equal_finite_differences():
    case, rows = toy_case("residual"), range(12)
    loss, gates = mean_loss(case, rows)
    found, step = curvature(case, rows, 12), 1e-6  # small: a step across a kink of a ReLU has another slope behind it

    def slopes(gates):
        return torch.autograd.functional.jacobian(loss, gates)

    for row, unit in enumerate(step * torch.eye(len(gates), dtype=torch.float64)):
        second = (slopes(gates + unit) - slopes(gates - unit)) / (2 * step)
        torch.testing.assert_close(found[row], second, rtol=1e-5, atol=1e-7)


def test_a_loss_that_is_linear_in_the_gates_has_none():
    assert not curvature(pixel_case().to("cpu", "float64"), range(4), 4).any()


def test_gates_are_open_afterwards_and_the_file_is_kept(tmp_path):
    case, out = toy_case("plain"), tmp_path / "curvature.safetensors"
    asked = ExampleChoice(rows=tuple(range(6))), Resources("cpu", "float64")
    done = run_curvature(case, out, *asked)
    file = runs.load(out, "curvature")
    torch.testing.assert_close(torch.from_numpy(file.arrays["curvature"]), curvature(case, range(6), 6))
    assert file.arrays["rows"].tolist() == list(range(6))
    assert file.facts["examples"] == 6
    assert not done.current
    assert run_curvature(case, out, *asked).current
    assert all(gate.value is None for gate in case.model.modules() if hasattr(gate, "value"))


def test_a_loss_without_a_gradient_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(interactions, "slopeless", lambda case: "the loss has no gradient")
    with pytest.raises(BadInput, match="has no curvature: the loss has no gradient"):
        run_curvature(toy_case("plain"), tmp_path / "a.safetensors", ExampleChoice(rows=(0, 1, 2)), Resources("cpu", "float64"))
    assert not list(tmp_path.iterdir())
