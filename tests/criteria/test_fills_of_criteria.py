"""Criteria under a fill: what is gathered at gates is of the filled change, and what speaks of zeros alone is unavailable."""

import dataclasses

import pytest
import torch
from fills import OTHERS, filled_case
from toys import TOYS, pixel_case, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.fill import Fill
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.network.fills import fills_for, prepared
from pruning_oracle.bench.network.gates import filled, gated
from pruning_oracle.bench.setting import Resources
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect, unavailable
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS
from pruning_oracle.criteria.run import run_criteria
from pruning_oracle.oracle.literal import literal

FOLLOWS = {"gate_grad", "product_magnitude", "gate_curvature", "gate_hessian", "gate_path", "sampled_grad", "output_fisher"}
OF_ZEROS = {"weight_product", "weight_grad", "gate_conductance", "gate_relevance", "consumer_product", "layer_products"}
OF_ZEROS |= {"weight_fisher", "kronecker_answer", "nni_squared_product"}
OF_ZEROS |= {"torch_pruning_taylor_importance", "torch_pruning_hessian_importance"}


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("name", TOYS)
def test_the_gate_gradient_is_the_derivative_towards_the_fill(name, fill):
    case = filled_case(toy_case(name), fill)
    batch, step = next(case.batches(case.train, range(3), 3)), 1e-6
    evidence = collect(case, range(3), 2, frozenset({"gate_grad", "sampled_grad"}), "test")
    for site in case.sites:
        losses = []
        for value in (1 + step, 1 - step):
            gates = torch.ones(3, site.maps, dtype=torch.float64)
            gates[:, 0] = value
            with torch.no_grad(), filled(case.model, fills_for(case, batch)), gated(case.model, {site: gates}):
                losses.append(case.loss(case.model(batch.inputs), batch.labels))
        slope = (losses[0] - losses[1]) / (2 * step)
        torch.testing.assert_close(evidence[site.name].gate_grad[:, 0], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fill", OTHERS)
def test_first_order_guesses_are_exact_where_the_loss_is_linear(fill):
    """By hand: maps (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0), read with 10, −1, 5; what stands in are (2, 4, 0)."""
    case = prepared(dataclasses.replace(pixel_case(), fill=Fill(fill, [1], 0)), range(4), 1)
    seen = collect(case, range(4), 3, frozenset({"gate_grad", "product_magnitude", "gate_curvature", "mean"}), "test")["conv"]
    maps = torch.tensor([[1.0, 2, 0], [2, 4, 0], [0, 0, 3], [4, 8, 0]])
    away = (maps - maps[1]) * torch.tensor([10.0, -1, 5])
    assert torch.equal(seen.gate_grad, away)
    assert torch.equal(-seen.gate_grad, literal(case, case.sites[0], next(case.batches(case.train, range(4), 4))))
    assert torch.equal(seen.product_magnitude, away.abs())
    assert not seen.gate_curvature.any()
    assert torch.equal(seen.mean, maps), "an activation is what it is"


@pytest.mark.parametrize("fill", OTHERS)
@pytest.mark.parametrize("name", TOYS)
def test_every_kind_of_evidence_follows_the_fill_or_says_nothing_of_it_or_is_unavailable(name, fill):
    plain = toy_case(name)
    case = filled_case(plain, fill)
    every = SHARED_PASS | frozenset(sources())
    lost, lost_before = unavailable(case, every), unavailable(plain, every)
    assert lost.keys() - lost_before.keys() <= OF_ZEROS
    assert lost.keys() >= OF_ZEROS & every
    for kind in OF_ZEROS & every:
        assert lost[kind] == f"--fill zero: it speaks of maps that become zeros, and not of --fill {fill}"
    needs = frozenset(every - lost.keys())
    whole, parts = (collect(case, range(12), size, needs, "test") for size in (12, 5))
    before = collect(plain, range(12), 12, needs, "test")
    for site in whole:
        for kind in needs:
            torch.testing.assert_close(*(one[site].statistics[kind] for one in (whole, parts)), rtol=1e-9, atol=1e-12)
            same = torch.equal(whole[site].statistics[kind], before[site].statistics[kind])
            assert same == (kind not in FOLLOWS), kind


def test_what_other_libraries_compute_of_zeros():
    choose_criteria(["all"])
    assert {name for name, source in sources().items() if source.of_zeros} == OF_ZEROS - SHARED_PASS


@pytest.mark.parametrize("fill", OTHERS)
def test_a_file_of_criteria_says_its_fill_and_has_none_of_its_examples(tmp_path, fill):
    case, out = toy_case("plain"), tmp_path / "criteria.safetensors"

    def scored(name):
        return run_criteria(case, out, ["taylor", "weight_l2", "snip", "quick"], ExampleChoice(), Resources("cpu"), name)

    with pytest.raises(BadInput, match=f"criterion 'snip' is unavailable here, since it needs weight_grad: .*--fill {fill}"):
        scored(fill)
    case_of_all = ["taylor", "weight_l2"]
    done = run_criteria(case, out, case_of_all, ExampleChoice(), Resources("cpu"), fill)
    assert done.facts["fill"]["name"] == fill
    assert done.facts["fresh"]["examples"] == 6
    file = runs.load(out, "criteria")
    ready = filled_case(case, fill)
    assert not set(ready.fill.rows) & {*file.arrays["shared/rows"].tolist(), *file.arrays["fresh/rows"].tolist()}
    assert run_criteria(case, out, case_of_all, ExampleChoice(), Resources("cpu"), fill).current
    other = run_criteria(case, out, case_of_all, ExampleChoice(), Resources("cpu"))
    assert not other.current
    zero = runs.load(out, "criteria").arrays
    assert (zero["shared/weight_l2/features.0"] == file.arrays["shared/weight_l2/features.0"]).all()
    assert (zero["shared/taylor/features.0"] != file.arrays["shared/taylor/features.0"]).any()
