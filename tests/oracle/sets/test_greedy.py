"""Greedy sets: every step equals brute force over what is left; steps resume; the last map of a site stays."""

import numpy as np
import pytest
from toys import TOYS, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.map_set import MapSet
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.scores import mean, mean_abs
from pruning_oracle.bench.setting import Resources
from pruning_oracle.oracle.resume import Units
from pruning_oracle.oracle.sets import greedy as module
from pruning_oracle.oracle.sets.greedy import Greedy, greedy_sets
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.run_greedy import levels_to, run_greedy

ROWS = range(12)
HELD = memory.DEFAULT


def brute_force(case, reduce, steps):
    """One map at a time: of all that may go, the one with which the set that is gone has the lowest score, by definition."""
    batch, gone, found = next(case.batches(case.train, ROWS, 12)), dict[str, list[int]](), []
    for _ in range(steps):
        tried = [
            gone | {site.name: [*gone.get(site.name, []), index]}
            for site in case.sites
            for index in range(site.maps)
            if index not in gone.get(site.name, []) and len(gone.get(site.name, [])) < site.maps - 1
        ]
        joint = literal(case, [MapSet.of(gone), *map(MapSet.of, tried)], batch)
        scores = [float(reduce(column[:, None])) for column in (joint[:, 1:] - joint[:, :1]).T]
        gone = tried[int(np.argmin(scores))]
        found.append(MapSet.of(gone))
    return found


@pytest.mark.parametrize(("name", "reduce"), [("plain", mean_abs), ("residual", mean)])
def test_every_step_over_all_sites_equals_brute_force(name, reduce):
    case = toy_case(name)
    whole, maps = prepared(case), sum(site.maps for site in case.sites)
    levels = tuple(count / maps for count in range(1, 5))
    expected = brute_force(case, reduce, len(levels))
    found = greedy_sets(whole, Greedy("all", False, reduce, levels, maps), ROWS, 5, HELD)
    assert found == expected
    assert len({tuple(one.named) for one in found}) > 1, "maps of several sites go"


def test_within_sites_every_site_loses_its_share_of_the_lowest():
    case = toy_case("plain")
    batch = next(case.batches(case.train, ROWS, 12))
    (found,) = greedy_sets(prepared(case), Greedy("each", True, mean, (0.5,), 9), ROWS, 12, HELD)
    for site in case.sites:
        changes = literal(case, [MapSet.of({site.name: [index]}) for index in range(site.maps)], batch).mean(0)
        count = round(0.5 * site.maps)
        assert found.named[site.name] == sorted(changes.argsort()[:count].tolist())


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("within", [True, False])
def test_one_map_of_every_site_stays(name, within):
    case = toy_case(name)
    whole = prepared(case)
    (found,) = greedy_sets(whole, Greedy("most", within, mean, (0.99,), 10**6), ROWS, 12, HELD)
    assert all(len(found.named[site.name]) == site.maps - 1 for site in whole.case.sites)


def test_steps_that_are_stored_are_not_measured_again(monkeypatch, tmp_path):
    case, way = toy_case("residual"), Greedy("all", False, mean, (0.1, 0.3, 0.5), 20)
    whole, measured, measure = prepared(case), [], module.measure

    def stopped(case, *given, most=1):
        if len(measured) == most:
            raise KeyboardInterrupt
        measured.append(sum(site.maps for site in case.sites))
        return measure(case, *given)

    expected = greedy_sets(whole, way, ROWS, 12, HELD)
    monkeypatch.setattr(module, "measure", stopped)
    with pytest.raises(KeyboardInterrupt), Units(tmp_path / "a.safetensors", {}).hold() as units:
        greedy_sets(whole, way, ROWS, 12, HELD, units)
    before = measured.copy()
    monkeypatch.setattr(module, "measure", lambda *given: stopped(*given, most=9))
    with Units(tmp_path / "a.safetensors", {}).hold() as units:
        assert greedy_sets(whole, way, ROWS, 12, HELD, units) == expected
    assert measured == sorted(set(measured), reverse=True), "each network once"
    assert len(before) == 1


def test_the_file_lists_the_sets_and_is_kept(tmp_path):
    case, out = toy_case("plain"), tmp_path / "greedy.safetensors"
    asked = (0.25, 0.5), 0.5, ExampleChoice(rows=tuple(ROWS)), Resources("cpu", "float64")
    done = run_greedy(case, out, *asked)
    sets = runs.load(out, "greedy").facts["sets"]
    kinds = [(one["chooser"], one["within"], one["share"]) for one in sets]
    assert kinds == [
        (name, within, share) for name in ("greedy", "greedy_mean_abs") for within in (True, False) for share in asked[0]
    ]
    assert [sum(map(len, one["maps"].values())) for one in sets] == [2, 4, 2, 4] * 2
    assert not done.current
    assert run_greedy(case, out, *asked).current
    assert not list(tmp_path.glob("*.units"))


def test_levels_are_steps_and_shares():
    assert levels_to((0.5, 0.25), 0.2) == (0.2, 0.25, 0.4, 0.5)
    assert levels_to((0.1,), 0.5) == (0.1,)
    assert levels_to((0.3,), 0.1) == (0.1, 0.2, 0.3), "no step twice for a rounding error"


def test_over_all_sites_levels_are_shares_of_the_whole_network():
    assert Greedy("all", False, mean, (), 40).counts([10, 10], 0.25) == [10], "of 40 maps, 20 of which can be deleted"
    assert Greedy("all", False, mean, (), 40).counts([10, 10], 0.9) == [19]
    assert Greedy("each", True, mean, (), 40).counts([10, 4], 0.25) == [2, 1]
