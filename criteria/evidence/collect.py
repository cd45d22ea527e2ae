"""collect(): the evidence that criteria need, most of it from one forward and backward pass, batch by batch."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack

import torch

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.criteria.evidence.evidence import Evidence
from pruning_oracle.criteria.evidence.filters import convolutions
from pruning_oracle.criteria.evidence.gathered import GatheredEvidence
from pruning_oracle.criteria.evidence.passes import differentiable, slopeless, stream
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED, SHARED_PASS, WEIGHT_GRAD, WEIGHT_PRODUCT
from pruning_oracle.criteria.evidence.tally import BatchStatistics, SiteStatistics


def collect(case: Case, rows: Sequence[int], size: int, needs: frozenset[str], label: str) -> dict[str, Evidence]:
    """The evidence at every site, from these rows of the training set in their order, `size` examples at a time.

    `label` names the pass in the progress bar. Activations are never stored whole. Raises BadInput if evidence is not finite,
    or if it needs a gradient that the loss does not have.
    """
    gathered, more = _pass(case, rows, size, needs, label), defaultdict[str, SiteStatistics](dict)
    for name, source in sources().items():
        if name in needs:
            own = list(rows)[: source.most]
            for site, values in source.gather(case, own, size).items():
                _check_finite(case, case.site(site), {name: values}, own)
                more[site][name] = values.cpu()
    return gathered.evidence(case.seed, len(rows), more)


def unavailable(case: Case, needs: frozenset[str]) -> dict[str, str]:
    """The evidence among `needs` that a case cannot provide, by name, with the reason."""
    reasons = {name: source.unfit(case) for name, source in sources().items() if name in needs}
    if needs & DIFFERENTIATED:
        reasons |= dict.fromkeys(needs & DIFFERENTIATED, slopeless(case))
    return {name: reason for name, reason in reasons.items() if reason}


def _pass(case: Case, rows: Sequence[int], size: int, needs: frozenset[str], label: str) -> GatheredEvidence:
    """Runs the shared pass: gathers its statistics, how many positions each map has, and the labels."""
    gathered = GatheredEvidence(case)
    for block, batch in stream(case, rows, size, f"{label} evidence"):
        gathered.batch(batch)
        for tally in _observe(case, batch, needs, gathered) if needs & SHARED_PASS else ():
            parts = tally.parts()
            _check_finite(case, tally.site, parts, block)
            gathered.site(tally.site, parts, tally.counts)
    return gathered


def _observe(case: Case, batch: Batch, needs: frozenset[str], gathered: GatheredEvidence) -> list[BatchStatistics]:
    """Passes one batch through the network; returns a tally for every site, and adds the weights' gradients to `gathered`."""
    learning = list(convolutions(case).values()) if needs & {WEIGHT_GRAD, WEIGHT_PRODUCT} else []
    weights = [module.get_parameter("weight") for module in learning]
    tallies = [BatchStatistics(case, site, len(batch.labels), needs) for site in case.sites]
    with ExitStack() as stack:
        stack.enter_context(differentiable(case.model, weights))
        stack.enter_context(torch.set_grad_enabled(bool(needs & DIFFERENTIATED)))
        for hook in [hook for tally in tallies for hook in tally.hooks()]:
            stack.callback(hook.remove)
        loss = case.losses(batch)
        if needs & DIFFERENTIATED:
            if not loss.requires_grad:
                raise BadInput(
                    f"{case.name}: the loss has no gradient, which {', '.join(sorted(needs & DIFFERENTIATED))} needs"
                )
            by = [*weights, *(leaf for tally in tallies for leaf in tally.leaves)]
            # in eval mode no example affects another, so the gradient of the sum gives each example its own
            grads = torch.autograd.grad(loss.sum(), by, allow_unused=True, materialize_grads=True)
            for module, grad in zip(learning if WEIGHT_GRAD in needs else (), grads, strict=False):
                gathered.slope(module, grad)
    return tallies


def _check_finite(case: Case, site: Site, parts: SiteStatistics, block: Sequence[int]) -> None:
    for name, part in parts.items():
        if not bool(part.isfinite().all()):
            row, column = (~part.isfinite()).nonzero()[0].tolist()
            where = f", on training example {block[row]}" if len(part) == len(block) else ""
            index = column if part.shape[1] == site.maps else row
            raise BadInput(
                f"{case.name}: evidence {name!r} is {part[row, column]} for map {index} of site {site.name!r}{where}"
            )
