"""Conductance at the gates, by captum (Dhamdhere et al. 2018, arXiv:1805.12233): an input's effect through each map."""

import importlib.util
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import at_least_float32, exact_enough
from pruning_oracle.bench.network.gates import Gate, channels_with_maps
from pruning_oracle.bench.network.hooks import watch_one_example
from pruning_oracle.criteria.evidence.passes import by_batch, differentiable, slopeless
from pruning_oracle.criteria.evidence.source import source

STEPS = 8


def captum_missing(case: Case) -> str:
    """Why captum cannot be used; empty if it is installed."""
    return "" if importlib.util.find_spec("captum") else "captum is not installed: pip install 'pruning-oracle[captum]'"


def gates_of(case: Case, site: Site) -> list[Gate]:
    """The gate modules of a site."""
    gates = [case.model.get_submodule(name) for name in site.gates]
    return [gate for gate in gates if isinstance(gate, Gate)]


def attribution_per_map(case: Case, site: Site, attributions: Sequence[Tensor]) -> Float[Tensor, "example map"]:
    """Sums the attributions to a site's channels, one tensor per gate, over positions and gates."""
    examples = len(attributions[0])
    found = torch.zeros(examples, site.maps, device=case.device, dtype=exact_enough(attributions[0].dtype))
    for gate, attribution in zip(gates_of(case, site), attributions, strict=True):
        channels = at_least_float32(attribution.detach()).movedim(gate.axis, 1).reshape(examples, len(gate.maps), -1).sum(2)
        own, maps = channels_with_maps(gate.maps, case.device)
        found.index_add_(1, maps, channels[:, own])
    return found


def _unfit_conductance(case: Case) -> str:
    """Why the conductance of a case is unavailable; empty if it is available."""
    if reason := captum_missing(case) or slopeless(case):
        return reason
    batch = next(case.batches(case.train, [0], 1))
    if not batch.inputs.is_floating_point():
        return "its inputs are not numbers that a path can lead to"
    return one_row(case)


def one_row(case: Case) -> str:
    """Why captum cannot attribute to the gates, tried on one example; empty if it can."""
    rows: list[int] = []
    gates = [gate for site in case.sites for gate in gates_of(case, site)]
    watch_one_example(case, gates, lambda module, args, kwargs, output: rows.append(len(output)))
    return "" if rows == [1] * len(gates) else "captum takes layers that are called once, with one row per example"


@source(unfit=_unfit_conductance, most=64, holds=8.0, of_zeros=True)
def gate_conductance(case: Case, rows: Sequence[int], size: int) -> dict[str, Float[Tensor, "example map"]]:
    """How much of the change in loss from a zero input to the example goes through the map, in nats; 64 examples at most."""
    from captum.attr import LayerConductance  # noqa: PLC0415 (not needed by other criteria, and slow to import)

    def of(block: Sequence[int], batch: Batch) -> list[Tensor]:
        found, places = [], torch.arange(batch.examples, device=case.device)

        def losses(inputs: Tensor, examples: Tensor) -> Tensor:  # captum repeats the places along the path, as the inputs
            return case.loss(case.model(inputs), batch.labels_of(examples))

        with differentiable(case.model):
            for site in case.sites:
                parts = [
                    LayerConductance(losses, gate).attribute(
                        batch.inputs,
                        additional_forward_args=places,
                        n_steps=STEPS,
                        method="riemann_trapezoid",
                        internal_batch_size=None if size >= STEPS else 2,
                    )
                    for gate in gates_of(case, site)
                ]
                found.append(attribution_per_map(case, site, parts))
        return found

    return by_batch(case, rows, max(1, size // STEPS), "conductance", of)
