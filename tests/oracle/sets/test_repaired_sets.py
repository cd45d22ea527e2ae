"""Joint losses after a repair: those of the network from which the maps are deleted and that the pruning loop mends."""

import pytest
import torch
from random_sets import sets_of_every_kind
from toys import TOYS, toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.cutting.surgery import of_sites, uncut
from pruning_oracle.bench.cutting.trial import prepared
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.map_set import MapSet, random_sets
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.bench.repair.after_removal import after_removal, ready_for, repairs_of
from pruning_oracle.bench.repair.passes import other_examples, spare_examples
from pruning_oracle.bench.setting import Resources
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.oracle.resume import Units
from pruning_oracle.oracle.sets import repaired as module
from pruning_oracle.oracle.sets.literal import literal
from pruning_oracle.oracle.sets.repaired import Mending, measure_repaired
from pruning_oracle.oracle.sets.run import run_sets

CPU, ROWS, SEEN = Resources("cpu"), range(12), range(12, 24)
EMBEDDED = [("vgg-digits", "bias"), ("r3dcnn-gestures", "bias")]
EMBEDDED += [("resnet-digits", repair) for repair in ("bias", "batchnorm", "both")]


@torch.no_grad()
def losses(case, rows):
    return torch.cat([case.losses(batch) for batch in case.batches(case.train, list(rows), 64)])


def measured(case, repair, sets, rows=ROWS, seen=SEEN, size=5):
    return measure_repaired(Mending(case, repair, seen), sets, rows, size, losses(case, rows))[0]


def deleted(case, repair, sets, rows=ROWS, seen=SEEN):
    """Sets deleted physically from a network that the existing code then mends: loss less that of the whole network."""
    ready = of_sites(uncut(ready_for(case, repair)), prepared(case).case.sites)
    columns = []
    for one in sets:
        *_, (_, mended) = after_removal(ready, one.named, repair, seen)
        columns.append(losses(mended.case, rows) - losses(case, rows))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("repair", ["bias", "batchnorm", "both"])
@pytest.mark.parametrize("name", TOYS)
def test_it_is_what_deletion_and_the_pruning_loops_repair_give(name, repair):
    case = toy_case(name)
    if repair not in repairs_of(case):
        with pytest.raises(BadInput, match=f"--repair {repair}: unnamed has no batch norm"):
            Mending(case, repair, SEEN)
        return
    can_go = {site.name for site in prepared(case).case.sites}
    sets = [one for one in sets_of_every_kind(case) if set(one.named) <= can_go]
    found = measured(case, repair, sets)
    torch.testing.assert_close(found, deleted(case, repair, sets), rtol=1e-9, atol=1e-12)
    batch = next(case.batches(case.train, list(ROWS), 12))
    assert (found - literal(case, sets, batch)).abs().max() > 1e-3, "the repair changes something"
    torch.testing.assert_close(measured(case, repair, sets, size=12), found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "repair"), EMBEDDED)
def test_embedded_cases_by_deletion(name, repair):
    case = load(name, 0).to("cpu", "float64")
    sets = [*random_sets(case, 1, 0.2, 0), *random_sets(case, 1, 0.5, 1)]
    seen = range(20, 160 if name == "resnet-digits" else 30)  # two batches, or one
    found = measured(case, repair, sets, range(6), seen)
    torch.testing.assert_close(found, deleted(case, repair, sets, range(6), seen), rtol=1e-9, atol=1e-9)


def state_of(case):
    """All that a repair could leave behind: tensors, hooks, modes, gates."""
    modules = dict(case.model.named_modules())
    hooks = sum(len(module._forward_pre_hooks) + len(module._forward_hooks) for module in modules.values())
    gates = [module.value for module in modules.values() if isinstance(module, Gate)]
    counted = [getattr(module, "momentum", None) for module in modules.values()]
    modes = [module.training for module in modules.values()]
    return runs.digest(state_dict.arrays(case.model)), hooks, gates, counted, modes


@pytest.mark.parametrize("stop", [None, "carry", "estimated_again", "_losses"])
def test_the_network_is_as_it_was_also_when_interrupted(monkeypatch, stop):
    case = toy_case("residual")
    before, calls = state_of(case), []
    assert set(before[2]) == {None}
    if stop:
        original = getattr(module, stop)

        def stopped(*given):
            made = original(*given)
            calls.append(made)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return made

        monkeypatch.setattr(module, stop, stopped)
    sets = random_sets(case, 3, 0.3, 0)
    try:
        measured(case, "both", sets)
    except KeyboardInterrupt:
        assert len(calls) == 2
    assert state_of(case) == before


def test_equal_sets_are_mended_once_and_what_is_finished_is_read(monkeypatch, tmp_path):
    case, out = toy_case("plain"), tmp_path / "s.safetensors"
    one, other = MapSet.of({"features.0": [1, 2]}), MapSet.of({"features.4": [0]})
    sets, asked, mend = [one, MapSet.of({}), one, other], [], Mending.mended

    def noted(mending, which):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(which)
        return mend(mending, which)

    monkeypatch.setattr(Mending, "mended", noted)
    mending, kept = Mending(case, "batchnorm", SEEN), losses(case, ROWS)
    with pytest.raises(KeyboardInterrupt), Units(out, {"a": 1}).hold() as units:
        measure_repaired(mending, sets, ROWS, 5, kept, units)
    assert asked == sets[:2]
    asked[:] = []
    with Units(out, {"a": 1}).hold() as units:
        found, _ = measure_repaired(mending, sets, ROWS, 5, kept, units)
    assert asked == [other]
    assert torch.equal(found[:, 0], found[:, 2])
    assert found[:, 1].abs().max() > 1e-3, "the empty set is mended as well"
    monkeypatch.setattr(Mending, "mended", mend)
    assert torch.equal(found, measured(case, "batchnorm", sets))


def test_a_run_file_holds_the_losses_before_and_after_and_what_the_repair_saw(tmp_path):
    case, choice = toy_case("plain", 24, precision="float32"), ExampleChoice(examples=20)
    sets, out = [*random_sets(case, 3, 0.3, 0), MapSet.of({})], tmp_path / "s.safetensors"
    plain = runs.load(run_sets(case, out, sets, choice, CPU).out, "sets")
    assert "repair" not in plain.facts
    done = run_sets(case, out, sets, choice, CPU, "replay", "batchnorm", 10)
    file = runs.load(out, "sets")
    assert {name: array.shape for name, array in file.arrays.items()} == {
        "joint": (20, 4),
        "repaired": (20, 4),
        "kept": (20,),
        "rows": (20,),
        "labels": (20,),
        "repair rows": (10,),
    }
    assert (file.arrays["joint"] == plain.arrays["joint"]).all()
    seen = file.arrays["repair rows"].tolist()
    assert not set(seen) & set(file.arrays["rows"].tolist())
    expected = measured(case, "batchnorm", sets, file.arrays["rows"].tolist(), seen)
    torch.testing.assert_close(torch.from_numpy(file.arrays["repaired"]), expected, rtol=1e-4, atol=1e-5)
    assert (file.facts["repair"], file.facts["repair examples"]) == ("batchnorm", 10)
    assert not done.current
    assert run_sets(case, out, sets, choice, CPU, "replay", "batchnorm", 10).current
    assert not run_sets(case, out, sets, choice, CPU, "replay", "batchnorm", 11).current
    assert not run_sets(case, out, sets, choice, CPU, "replay", "both", 11).current


def test_what_is_impossible_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr("pruning_oracle.oracle.sets.run.opened", None)
    case, out = toy_case("clips"), tmp_path / "s.safetensors"
    for given, said in {
        ("batchnorm", None): "--repair batchnorm: unnamed has no batch norm with running statistics to estimate again",
        ("biases", None): "unknown --repair 'biases': choose from",
        ("none", 10): "--repair-examples is of a repair: --repair says which",
        ("bias", 13): r"--repair-examples is 13; unnamed has 24 .*, 12 of which are measured: allowed are 3 to 12",
        ("bias", None): "--repair-examples is 256; unnamed has 24",
    }.items():
        with pytest.raises(BadInput, match=said):
            run_sets(case, out, random_sets(case, 1, 0.3, 0), ExampleChoice(), CPU, "replay", *given)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_names_the_set(monkeypatch):
    case = toy_case("plain")
    monkeypatch.setattr(module, "_losses", lambda case, rows, size: torch.full((12,), float("nan")).double())
    with pytest.raises(BadInput, match=r"changes by nan with set 0 \(\d+ maps, repaired\) removed, on training example 0"):
        measured(case, "bias", random_sets(case, 1, 0.3, 0))


def test_the_examples_of_a_repair_are_none_of_the_measured():
    case = toy_case("plain", 24)
    assert other_examples(case, 24, case.split(24)[0]) == spare_examples(case, 24, 24)
    assert not set(other_examples(case, 20, range(0, 48, 2))) & set(range(0, 48, 2))
    assert other_examples(case, 3, range(45)) == [45, 46, 47]


def test_memory_bounds_the_passes_of_a_repair(monkeypatch):
    seen = []
    monkeypatch.setattr("pruning_oracle.bench.repair.passes.batch_size", lambda case, held: seen.append(held) or 4)
    case = toy_case("residual")
    Mending(case, "both", SEEN, 12345).mended(random_sets(case, 1, 0.3, 0)[0])
    assert seen == [12345, 12345]
