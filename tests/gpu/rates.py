"""Pairs per second of the ways to measure an oracle on a batch, and what share of the machine's arithmetic they reach."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import PRECISIONS
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal

from timings.networks import thin
from timings.way import Way, share_of_removals

IMAGES = 5994  # of the paper's training set


def one_by_one(case: Case, site: Site, batch: Batch) -> Tensor:
    """captum's LayerFeatureAblation, one perturbation at a time: a whole pass per map, one for the layer and one more."""
    gates = [case.model.get_submodule(name) for name in site.gates]
    kept = [torch.tensor(gate.maps, device=case.device) for gate in gates if isinstance(gate, Gate)]

    def removed(index: int) -> Tensor:
        def zero(gate: torch.nn.Module, inputs: Any, output: Tensor) -> Tensor:
            axis, maps = gate.axis, kept[gates.index(gate)]
            return output * (maps != index).to(output.dtype).view([-1 if place == axis else 1 for place in range(output.ndim)])

        hooks = [gate.register_forward_hook(zero) for gate in gates]
        try:
            return case.losses(batch)
        finally:
            for hook in hooks:
                hook.remove()

    with torch.no_grad():
        case.losses(batch)
        whole = case.losses(batch)
        return torch.stack([removed(index) - whole for index in range(site.maps)], 1)


def product(device: torch.device, precision: str, size: int) -> float:
    """Operations per second of a product of two square matrices, the best of three."""
    matrix = torch.randn(size, size, device=device).to(PRECISIONS[precision])
    return 2 * size**3 / min(clock.timed(lambda: matrix @ matrix) for _ in range(3))


def rates(
    whole: Case, device: torch.device, maps: int, examples: int, precisions: list[str], matrix: int
) -> Iterator[dict[str, Any]]:
    """A fact per precision and way on a sample of `maps` maps; every way's numbers are compared with literal's."""
    total = sum(site.maps for site in whole.sites)
    for precision in precisions:
        case = thin(whole, maps).to(str(device), precision)
        batch = next(case.batches(case.train, range(examples), examples))
        machine, expected = product(device, precision, matrix), dict[str, Tensor]()
        for name, way in ways(case, batch).items():
            found, said = rate(case, way, batch)
            expected = expected or found
            gap = max(float((found[site].double() - expected[site].double()).abs().max()) for site in found)
            said["share of a matrix product's FLOP/s"] = said["FLOP/s"] / machine
            said |= {"matrix product, FLOP/s": machine, "largest difference to literal, nats": gap}
            said["the paper's whole oracle would take, s"] = total * IMAGES / said["pairs per second"]
            yield {"way": name, "precision": precision, "of maps": total} | said


def ways(case: Case, batch: Batch) -> dict[str, Way]:
    """The ways that are compared, the definition first."""

    def by_site(at: Callable[[Site, Batch], Tensor], extra: int = 0) -> Way:
        def call() -> list[Tensor]:
            again = Batch(batch.inputs, batch.labels)  # another object: nothing kept of it is used again
            return [at(site, again).cpu() for site in case.sites]

        return Way(call, share_of_removals(case, extra * len(case.sites)))

    return {
        "literal": by_site(partial(literal, case), 1),
        "replay": by_site(Replay(case, memory.default_memory(case.device))),
        "one by one": by_site(partial(one_by_one, case), 2),
    }


def rate(case: Case, way: Way, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The changes in loss by site, and what they took: once with planning, then again, then with operations counted."""
    found: dict[str, Tensor] = {}

    def call() -> None:
        found.update(zip((site.name for site in case.sites), way.call(), strict=True))

    maps = sum(site.maps for site in case.sites)
    planned, seconds = clock.once(call), clock.once(call)
    with FlopCounterMode(display=False) as counter:
        call()
    said = {"examples": len(batch.labels), "maps": maps, "seconds of the first time": planned, "seconds": seconds}
    rates = {
        "pairs per second": maps * len(batch.labels) / (way.share * seconds),
        "FLOP/s": counter.get_total_flops() / seconds,
    }
    return found, said | rates
