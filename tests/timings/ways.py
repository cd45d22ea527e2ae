"""The ways to measure an oracle that are timed against one another, each on one batch."""

from collections.abc import Callable
from functools import partial

import torch
from captum.attr import LayerFeatureAblation
from torch import Tensor

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.gates import Gate
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal

from timings.way import Way, share_of_removals


def replay(case: Case, batch: Batch) -> Way:
    """The fast engine, planned before the clock starts: a run plans once, however many examples it has."""
    engine = Replay(case)

    def call() -> list[Tensor]:
        again = Batch(batch.inputs, batch.labels)  # another object: its kept values are computed again, as for every batch
        return [engine(site, again) for site in case.sites]

    seconds = clock.once(call)
    return Way(call, note=f"planned and measured once in {seconds:.1f} s; {engine.choices.get('memory format', 'whole')}")


def definition(case: Case, batch: Batch) -> Way:
    """The literal engine: one pass more per site than there are maps."""
    return Way(lambda: [literal(case, site, batch) for site in case.sites], share_of_removals(case, len(case.sites)))


def captum(case: Case, batch: Batch) -> Way:
    """captum's LayerFeatureAblation at the gate, at its best `perturbations_per_eval`: two passes more per site.

    Maps that are not in the sample are one more group that it removes. Of a site with several gates (a residual stream) it
    can remove only one gate's maps: the same work, another number.
    """
    calls = [_ablation(case, batch, site) for site in case.sites]
    seconds: dict[int, float] = {}
    for at_once in (1, 1, 2, 4, 8, 16):
        seconds[at_once] = clock.once(partial(calls[len(calls) // 2], at_once))
        if seconds[at_once] > 1.2 * min(seconds.values()):
            break
    best = min(seconds, key=seconds.__getitem__)
    extra = sum(2 + any(index < 0 for index in _gate(case, site).maps) for site in case.sites)
    return Way(lambda: [call(best) for call in calls], share_of_removals(case, extra), f"perturbations_per_eval {best}")


def _gate(case: Case, site: Site) -> Gate:
    gate = case.model.get_submodule(site.gates[0])
    assert isinstance(gate, Gate)
    return gate


def _ablation(case: Case, batch: Batch, site: Site) -> Callable[[int], Tensor]:
    """captum at one site, given how many maps at once: `[example, map]`, as the engines give it."""
    gate = _gate(case, site)
    shapes: list[torch.Size] = []
    hook = gate.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    with torch.no_grad():
        case.model(batch.inputs[:1])
    hook.remove()
    clips = shapes[0][0]  # captum wants as many losses as the layer has rows
    ids = [index % (site.maps + 1) for index in gate.maps]  # −1 is one group more
    mask = torch.tensor(ids, device=case.device).view(1, -1, *[1] * (len(shapes[0]) - 2))

    def losses(inputs: Tensor, labels: Tensor) -> Tensor:
        return case.loss(case.model(inputs), labels).repeat_interleave(clips)

    ablation = LayerFeatureAblation(losses, gate)

    def call(at_once: int) -> Tensor:
        found = ablation.attribute(
            batch.inputs, additional_forward_args=batch.labels, layer_mask=mask, perturbations_per_eval=at_once
        )
        assert isinstance(found, Tensor)
        rows = found.flatten(2)[::clips, :, 0]
        return torch.stack([-rows[:, ids.index(index)] for index in range(site.maps)], 1)

    return call


WAYS = {"replay": replay, "literal": definition, "captum": captum}
