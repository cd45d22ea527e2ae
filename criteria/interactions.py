"""Guesses of interactions: how much more, or less, two maps cost together than alone, from derivatives by their gates.

To second order the loss with maps i and j removed is the loss less both slopes, plus half of both second derivatives by one
gate, plus the second derivative by both gates: what is off the diagonal of the Hessian is the interaction. A product of the
Hessian with a gate's unit vector gives its row exactly, by a second backward pass, for all examples of a batch at once.
"""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import ExampleChoice
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.network.gates import gated
from pruning_oracle.bench.setting import Finished, Resources, fingerprint, finished_before, network_facts, open_for_measuring
from pruning_oracle.criteria.evidence.passes import differentiable, open_gates, slopeless, stream

KIND = "curvature"
HOLDS = 6  # times the activations of a batch: what two backward passes keep
SOURCES = ("criteria/interactions.py",)  # the modules whose code determines the numbers


def run_curvature(case: Case, out: Path, choice: ExampleChoice, resources: Resources) -> Finished:
    """Writes `curvature`, of the shared examples of `choice`, to `out` unless that is up to date.

    The array `curvature` is `[map, map]` in nats, maps numbered over all sites; `rows` are the examples. BadInput if the loss
    has no gradient.
    """
    rows = choice.split(case)[0]
    opened = open_for_measuring(case, out, runs.run_file(KIND), resources, SOURCES)
    case, batch = opened.case, int(opened.setting["batch"])
    setting = opened.setting | choice.facts(case) | {"examples": len(rows), "data": fingerprint(case.train, rows)}
    if before := finished_before(out, KIND, setting):
        return before
    if reason := slopeless(case):
        raise BadInput(f"{case.name} has no curvature: {reason}")
    start, size = monotonic(), min(batch, memory.batch_size(case, int(opened.setting["memory"]) // HOLDS))
    with memory.memory_error_as_bad_input(case, size):
        found = curvature(case, rows, size)
    arrays = {"curvature": found.cpu().numpy(), "rows": torch.tensor(rows).numpy()}
    facts = setting | network_facts(case) | {"setting": runs.stamp(setting), "seconds": round(monotonic() - start, 2)}
    facts |= runs.provenance()
    runs.save(out, KIND, arrays, facts)
    return Finished(out, facts, False)


def curvature(case: Case, rows: Sequence[int], size: int) -> Float[Tensor, "map map"]:
    """Second derivative of the mean loss by the gates of every two maps, in nats; maps are numbered over all sites."""
    maps = sum(site.maps for site in case.sites)
    found = torch.zeros(maps, maps, dtype=torch.float64)
    for _, batch in stream(case, rows, size, "curvature"):
        found += _summed(case, batch).double().cpu()
    return (found + found.T) / (2 * len(rows))  # symmetric but for rounding


def _summed(case: Case, batch: Batch) -> Float[Tensor, "map map"]:
    """The sum over a batch's examples of their second derivatives."""
    values = list(open_gates(case, batch.examples).values())
    places = [(site, index) for site, own in enumerate(values) for index in range(own.shape[1])]
    found = values[0].new_zeros(len(places), len(places))
    with differentiable(case.model), gated(case.model, dict(zip(case.sites, values, strict=True))):
        loss = case.losses(batch).sum()
        slopes = torch.autograd.grad(loss, values, create_graph=True, allow_unused=True, materialize_grads=True)
        for row, (site, index) in enumerate(places):
            if slopes[site].requires_grad:  # else the loss is linear in this gate
                slope = slopes[site][:, index].sum()
                bent = torch.autograd.grad(slope, values, retain_graph=True, allow_unused=True, materialize_grads=True)
                found[row] = torch.cat([part.sum(0) for part in bent])
    return found
