"""Four bugs in every first-order criterion, on the embedded cases: each is a regression that `make regress` finds.

Oracle and evidence are measured here, on fewer examples than `make regress` takes, and so with wider intervals.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.scores import reduction_name
from pruning_oracle.criteria.criterion import discover
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED, GATE_GRAD, PRODUCT, SHARED_PASS
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure
from pruning_oracle.reports.inputs.read import Run
from pruning_oracle.reports.regression.figures import AGREEMENT, figures
from pruning_oracle.reports.regression.significance import FAILING, compare

pytestmark = pytest.mark.slow
CASES, SEEDS = ("vgg-digits", "resnet-digits", "r3dcnn-gestures"), (0, 1, 2)
EXAMPLES = {"vgg-digits": 96, "resnet-digits": 96, "r3dcnn-gestures": 32}
BATCHES = 4  # of which a bug sees the last alone
FIRST_ORDER = {name: known for name, known in discover().items() if known.needs & DIFFERENTIATED and known.needs <= SHARED_PASS}


class Signed(TorchFunctionMode):
    """Leaves out every magnitude and every square, which stands for one."""

    def __torch_function__(self, function, types, arguments=(), words=None):
        name = getattr(function, "__name__", "")
        return arguments[0] if name in {"abs", "absolute", "__abs__", "square"} else function(*arguments, **(words or {}))


def right(criterion, seen, last):
    return criterion(seen), criterion.reduce


def sign_flip(criterion, seen, last):
    return -criterion(seen), criterion.reduce


def mean_over_maps(criterion, seen, last):
    saliency = criterion(seen)
    return saliency.mean(1, keepdim=True).expand_as(saliency), criterion.reduce


def maps_moved_by_one(criterion, seen, last):
    return criterion(seen).roll(1, 1), criterion.reduce


def transposed(criterion, seen, last):
    saliency = criterion(seen)
    return saliency.T.reshape(saliency.shape), criterion.reduce


def no_magnitude(criterion, seen, last):
    signed = replace(seen, statistics={**seen.statistics, PRODUCT: seen.statistics[GATE_GRAD]})
    with Signed():
        return criterion(signed), discover()["random"].reduce


def last_batch_only(criterion, seen, last):
    return criterion(last), criterion.reduce


def last_batch_and_zeros(criterion, seen, last):
    saliency = criterion(last)
    return torch.cat([saliency.new_zeros(len(criterion(seen)) - len(saliency), saliency.shape[1]), saliency]), criterion.reduce


BUGS = [sign_flip, mean_over_maps, maps_moved_by_one, transposed, no_magnitude, last_batch_only, last_batch_and_zeros]


# A criterion of a peer that ranks its maps the wrong way round, as the peer does: it agrees negatively with every oracle. What
# spoils it lets it agree better, which is said and is no failure.
UPSIDE_DOWN = {"distiller_gradient"}
# Where a bug is none: one row is its own transpose, and a peer's criterion that has no magnitude cannot lose it.
ONE_ROW = {
    "taylor_weight_elementwise",
    "snip",
    "mean_rank",
    "weighted_rank",
    "distiller_gradient",
    "nvlabs_gate",
    "nvlabs_iclr2017",
}
HARMLESS = {transposed: ONE_ROW, no_magnitude: {"distiller_gradient"}}


@pytest.fixture(scope="module")
def evidence():
    """Per case and seed: the oracle's file, and what the criteria see, on all examples and on the last batch."""
    return {(name, seed): gather(name, seed) for name in CASES for seed in SEEDS}


def gather(name, seed):
    case, examples, batch = load(name, seed), EXAMPLES[name], EXAMPLES[name] // BATCHES
    split = dict(zip(("shared", "fresh"), case.split(examples), strict=True))
    oracle = measure(case, Replay(case), split["shared"], examples)
    needs = frozenset().union({GATE_GRAD}, *(criterion.needs for criterion in FIRST_ORDER.values()))
    seen = {name: [collect(case, part, batch, needs, "test") for part in (rows, rows[-batch:])] for name, rows in split.items()}
    sites = [{"name": site.name, "maps": site.maps} for site in case.sites]
    arrays = {f"change/{site}": change.numpy() for site, change in oracle.changes.items()}
    return RunFile(Path("oracle"), arrays, {"examples": examples, "sites": sites}, ""), seen


def measured(evidence, case, way):
    """The figures at every seed of a case, with every first-order criterion computed that way."""
    found = {}
    for seed in SEEDS:
        oracle, seen = evidence[case, seed]
        arrays, facts = {}, {}
        for name, criterion in FIRST_ORDER.items():
            for examples, (every, last) in seen.items():
                for site in every:
                    saliency, reduction = way(criterion, every[site], last[site])
                    arrays[f"{examples}/{name}/{site}"] = saliency.numpy()
            facts[name] = {"reduce": reduction_name(reduction)}
        found[seed] = figures(
            Run(
                case,
                seed,
                oracle,
                RunFile(Path("criteria"), arrays, {"criteria": facts, "fresh": {"examples": EXAMPLES[case]}}, ""),
            )
        )
    return found


def test_there_are_first_order_criteria():
    assert {"taylor", "taylor_mean", "taylor_signed", "taylor_elementwise", "taylor_squared"} <= set(FIRST_ORDER)


@pytest.fixture(scope="module")
def before(evidence):
    return {case: measured(evidence, case, right) for case in CASES}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_every_bug_is_found_in_every_first_order_criterion(evidence, before, bug):
    found = [finding for case in CASES for finding in compare(case, before[case], measured(evidence, case, bug))]
    verdicts = {name: {one.verdict for one in found if one.criterion == name} for name in FIRST_ORDER}
    harmless = HARMLESS.get(bug, set())
    assert {name for name in harmless if verdicts[name] != {"same"}} == set(), "where a bug changes nothing, nothing is said"
    missed = [name for name in FIRST_ORDER if name not in harmless and not verdicts[name] & set(FAILING)]
    assert set(missed) <= UPSIDE_DOWN, f"not found: {missed}"
    assert all("better" in verdicts[name] for name in missed), "a bug that helps is said to help"


def test_what_is_upside_down_is_so_on_every_case(before):
    """Agreement that is negative everywhere cannot be made worse by chance."""
    for name in FIRST_ORDER:
        values = [before[case][seed][name, AGREEMENT].value for case in CASES for seed in SEEDS]
        assert (max(values) < 0) == (name in UPSIDE_DOWN), f"{name}: {values}"
