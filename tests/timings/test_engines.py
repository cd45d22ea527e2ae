"""Oracle engines against one another: interleaved in one process, the same removals, three times."""

import gc

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import finish

from timings.networks import SETUPS, thin
from timings.peak import peak
from timings.way import Way
from timings.ways import WAYS

ROUNDS = 3
SIZE = 4096  # of the square matrices whose product gives the machine's own rate
answers: dict[str, torch.Tensor] = {}  # the first way's change in loss of each site: every other must give the same
open_cases: dict[str, tuple[Case, dict[str, Way], dict[str, object]]] = {}


def opened(name):
    """A network with its ways ready and what is measured once; only one network is held at a time."""
    if name not in open_cases:
        open_cases.clear()
        gc.collect()
        setup = SETUPS[name]
        whole = setup.case()
        case = thin(whole, setup.maps).to("auto", "float32")
        batch = next(case.batches(case.train, range(setup.examples), setup.examples))
        facts = {
            "examples": setup.examples,
            "maps": sum(site.maps for site in case.sites),
            "of maps": sum(site.maps for site in whole.sites),
            "goals": dict(zip(("literal", "captum"), setup.goals, strict=True)),
            "matrix product, FLOP/s": product(case.device),
            "peak bytes": {way: peak(name, way) for way in ("replay", "literal")},
        }
        ways = {way: make(case, batch) for way, make in WAYS.items()}
        with FlopCounterMode(display=False) as counter:
            ways["replay"].call()
        facts["operations of replay"] = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            case.model(batch.inputs)
        facts["operations of literal"] = counter.get_total_flops() * facts["maps"]
        open_cases[name] = case, ways, facts
        answers.clear()
    return open_cases[name]


def product(device):
    """Floating point operations per second of a large matrix product in float32."""
    matrix = torch.randn(SIZE, SIZE, device=device)
    return 2 * SIZE**3 / min(clock.timed(lambda: matrix @ matrix) for _ in range(3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("name", SETUPS)
def test_engines(benchmark, name, turn, way):
    """One way, once: its seconds are pytest-benchmark's, the rest is in `extra_info`."""
    case, ways, facts = opened(name)

    def measure():
        found = ways[way].call()
        finish()
        return found

    benchmark.group = name
    found = benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= facts | {
        "network": name,
        "turn": turn,
        "way": way,
        "share": ways[way].share,
        "note": ways[way].note,
    }
    for site, change in zip(case.sites, found, strict=True):
        if way != "captum" or len(site.gates) == 1:
            first = answers.setdefault(site.name, change.cpu())
            torch.testing.assert_close(change.cpu(), first, rtol=1e-3, atol=1e-3)
