"""What is timed against one another is the same: every way gives the same oracle, of all maps and of a sample of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import toy_case

from pruning_oracle.oracle.literal import literal
from pruning_oracle.oracle.trial.trial import examples_for

from timings import test_sampled as sampled
from timings.networks import thin

WAYS = pytest.importorskip("timings.ways", reason="captum is not installed", exc_type=ImportError).WAYS


@pytest.mark.parametrize("maps", [None, 3])
@pytest.mark.parametrize("name", ["plain", "clips"])
def test_every_way_gives_the_same_oracle(name, maps):
    case = thin(toy_case(name), maps)
    batch = next(case.batches(case.train, range(4), 4))
    expected = [literal(case, site, batch) for site in case.sites]
    assert max(float(change.abs().max()) for change in expected) > 1e-3
    for make in WAYS.values():
        for found, wanted in zip(make(case, batch).call(), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_a_sample_holds_maps_of_the_whole():
    case = toy_case("plain")
    batch = next(case.batches(case.train, range(4), 4))
    whole = torch.cat([literal(case, site, batch) for site in case.sites], 1)
    sample = torch.cat([literal(site_case, site, batch) for site_case in [thin(case, 3)] for site in site_case.sites], 1)
    torch.testing.assert_close(sample, whole[:, [1, 4, 7]])


def test_passes_per_site_are_taken_off():
    case = toy_case("plain")
    batch = next(case.batches(case.train, range(4), 4))
    maps, sites = sum(site.maps for site in case.sites), len(case.sites)
    assert WAYS["literal"](case, batch).share == maps / (maps + sites)
    assert WAYS["captum"](case, batch).share == maps / (maps + 2 * sites)
    assert WAYS["captum"](thin(case, 3), batch).share == 3 / (3 + 3 * sites)


def test_estimated_oracles_are_timed_by_turns_with_the_exact_one(monkeypatch):
    case, order = toy_case("residual", 40), []

    def pedantic(estimated, setup, rounds):
        for _ in range(rounds):
            setup()
            order.append("exact")
            estimated()
            order.append("estimated")

    monkeypatch.setattr(sampled, "opened", lambda name: case)
    benchmark = SimpleNamespace(pedantic=pedantic, extra_info={})
    sampled.test_estimated_oracle(benchmark, "toy", 0.5)
    assert order == ["exact", "estimated"] * sampled.ROUNDS
    facts = benchmark.extra_info
    assert len(facts["exact, s"]) == len(facts["spearman, mean over sites"]) == sampled.ROUNDS
    assert all(0.5 < value <= 1 for value in facts["spearman, mean over sites"])
    assert 1 < facts["examples of an exact oracle as good"] <= facts["examples"] == len(case.split()[0])


def test_the_fewest_examples_that_agree():
    """Of alike examples one is enough; where only all together rank as all, it takes all."""
    alike = {"site": np.tile(np.array([1.0, 2, 3, 4]), (16, 1))}
    assert examples_for(0.99, alike, 5) == 1
    noisy = {"site": alike["site"] + 30 * np.random.default_rng(0).normal(size=(16, 4))}
    assert examples_for(1.0, noisy, 20) == 16
    assert 1 < examples_for(0.5, noisy, 20) < 16
