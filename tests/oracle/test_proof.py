"""Whatever goes wrong in the replay engine, the oracle stays exact: what cannot be replayed runs whole, and says so once."""

import pytest
import torch
from hard_networks import Net, case_of, shuffled
from torch import nn
from toys import randomise, toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.oracle.exact import linear_step, traced
from pruning_oracle.oracle.exact.batch_layout import Layout
from pruning_oracle.oracle.exact.choices import Choices
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.exact.traced import Traced
from pruning_oracle.oracle.literal import literal


def exact(case, engine):
    for size in (5, 1):
        batch = next(case.batches(case.train, range(size), size))
        for site in case.sites:
            torch.testing.assert_close(engine(site, batch), literal(case, site, batch), rtol=1e-9, atol=1e-12)


def wrong(*given):
    raise ValueError("it is broken")


@pytest.mark.parametrize("part", ["learn_layout", "fold"])
def test_a_network_whose_layout_cannot_be_learned_runs_whole(monkeypatch, caplog, part):
    monkeypatch.setattr(*{"learn_layout": (traced, part), "fold": (traced.fold_batch_norms, part)}[part], wrong)
    case = toy_case("residual")
    engine = Replay(case)
    exact(case, engine)
    said = "unnamed: every removal runs the whole network, since replaying it fails (ValueError: it is broken)"
    assert [record.message for record in caplog.records] == [said]


@pytest.mark.parametrize("part", ["_plan", "removed", "alive", "_gates"])
def test_sites_that_cannot_be_replayed_run_whole_and_say_so_once(monkeypatch, caplog, part):
    monkeypatch.setattr(Traced, part, wrong)
    case = toy_case("residual")
    engine = Replay(case)
    exact(case, engine)
    said = "unnamed: removals at site stem run the whole network, since replaying it fails (ValueError: it is broken)"
    assert [record.message for record in caplog.records] == [said]
    assert [engine.choices[site.name] for site in case.sites] == ["whole network"] * 3


def test_a_replay_that_is_wrong_is_found_out_before_it_is_used(monkeypatch, caplog):
    """The linear step subtracts half of what it should; the site that takes none is replayed all the same."""
    contribution = linear_step._contribution
    monkeypatch.setattr(linear_step, "_contribution", lambda *given: contribution(*given) / 2)
    case = toy_case("residual")
    engine = Replay(case, choices=Choices({"stem": "linear step", "side": "whole operations", "mix": "linear step"}))
    exact(case, engine)
    said = "unnamed: removals at site stem run the whole network, since the replay gives other outputs than the network itself"
    assert [record.message for record in caplog.records] == [said]
    ways = {"stem": "whole network", "side": "whole operations", "mix": "whole network"}
    assert {site.name: engine.choices[site.name] for site in case.sites} == ways


def test_a_replay_that_fails_later_goes_on_whole(monkeypatch, caplog):
    removed = Traced.removed
    monkeypatch.setattr(Traced, "removed", lambda self, site, e, k: wrong() if len(k) == 1 else removed(self, site, e, k))
    case = toy_case("plain")
    engine = Replay(case, fold=7)
    exact(case, engine)
    assert "run the whole network, since replaying it fails (ValueError: it is broken)" in caplog.text


def test_a_layout_that_the_kept_values_do_not_have_is_not_used(monkeypatch, caplog):
    monkeypatch.setattr(Layout, "fits", lambda layout, node, value, examples: examples != 1 or node.op != "output")
    case = toy_case("residual")
    engine = Replay(case)
    exact(case, engine)
    said = "unnamed: every removal runs the whole network, since the layout of output depends on how many examples there are"
    assert [record.message for record in caplog.records] == [said]


def test_lack_of_memory_is_no_reason_to_run_whole(monkeypatch, caplog):
    """A CPU says it in words of its own."""
    removed = Traced.removed

    def narrow(self, site, examples, maps):
        if len(maps) > 6:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:123] DefaultCPUAllocator: can't allocate memory")
        return removed(self, site, examples, maps)

    monkeypatch.setattr(Traced, "removed", narrow)
    case = toy_case("plain")
    engine = Replay(case, fold=20)
    exact(case, engine)
    assert engine.fold == 5
    assert "whole network" not in engine.choices.values()


def test_a_choice_that_was_made_before_is_followed_or_refused():
    case = toy_case("residual")
    batch = next(case.batches(case.train, range(4), 4))
    engine = Replay(case, choices=Choices({"stem": "whole network"}))
    engine(case.sites[0], batch)
    assert not engine.network.traced.plans
    with pytest.raises(
        BadInput, match="stem: 'guess' was chosen before, but the choice is now between whole operations, linear"
    ):
        Replay(case, choices=Choices({"stem": "guess"}))(case.sites[0], batch)


def replayed(case, engine, site):
    """The operations that removals at a site run again, by name."""
    return [str(node) for node in engine.network.traced.plans[site].ways["whole operations"].nodes]


def test_a_site_replays_what_depends_on_its_maps_and_no_sizes():
    """Of three layers with shuffles behind the first and the last, each replays the layers behind it; sizes change nothing."""

    def end(net, x):
        return net.read(shuffled(net, torch.relu(net.third(x))).mean((2, 3)))

    case = case_of(Net(shuffled, end, third=nn.Conv2d(4, 6, 1), read=nn.Linear(6, 3)))
    engine = Replay(case)
    exact(case, engine)
    layers = ["second", "relu_1", "third", "relu_2", "view_1", "transpose_1", "reshape_1", "mean", "read", "output"]
    sizes = ("size", "getitem", "floordiv", "gates")
    behind = {"first": ["view", "transpose", "reshape", *layers], "second": layers[2:], "third": layers[4:]}
    for name, expected in behind.items():
        assert [node for node in replayed(case, engine, name) if not node.startswith(sizes)] == expected
    kept = engine.network.traced.layout.expand
    taken = []
    engine.network.traced.layout.expand = lambda node, *given: taken.append(str(node)) or kept(node, *given)
    engine(case.site("third"), engine.batch)
    assert taken == ["relu_2"]


class Borrowed(nn.Module):
    """Two branches, of which the second takes its number of rows from the first."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.third = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.read, self.other = nn.Linear(4, 3), nn.Linear(64, 3)

    def forward(self, x):
        one, two = torch.relu(self.one(x)), torch.relu(self.two(x))
        line = torch.relu(self.third(two)).view(one.size(0), -1)
        return self.read(one.mean((2, 3))) + self.other(line)


def test_a_size_of_what_depends_on_a_map_changes_nothing():
    case = case_of(randomise(Borrowed()))
    engine = Replay(case)
    exact(case, engine)
    assert replayed(case, engine, "one") == ["gates_one", "mean", "read", "add", "output"]
