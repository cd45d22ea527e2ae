"""collect(): the evidence that criteria need, most of it from one forward and backward pass, batch by batch."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.labels import are_classes, described
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled
from pruning_oracle.bench.runs.shelf import Shelf
from pruning_oracle.criteria.evidence.evidence import Evidence
from pruning_oracle.criteria.evidence.filters import convolutions
from pruning_oracle.criteria.evidence.gathered import GatheredEvidence
from pruning_oracle.criteria.evidence.passes import differentiable, slopeless, stream
from pruning_oracle.criteria.evidence.room import Room, holds
from pruning_oracle.criteria.evidence.source import Source, sources
from pruning_oracle.criteria.evidence.statistics import (
    DIFFERENTIATED,
    LABELS,
    OF_ZEROS,
    SHARED_PASS,
    WEIGHT_GRAD,
    WEIGHT_PRODUCT,
)
from pruning_oracle.criteria.evidence.tally import BatchStatistics, SiteStatistics


def collect(
    case: Case,
    rows: Sequence[int],
    size: int,
    needs: frozenset[str],
    label: str,
    failed: dict[str, str] | None = None,
    room: Room | None = None,
    shelf: Shelf | None = None,
    seconds: dict[str, float] | None = None,
) -> Mapping[str, Evidence]:
    """The evidence at every site, from these rows of the training set in their order, `size` examples at a time.

    `label` names the pass in the progress bar. Activations are never stored whole; statistics lie on `shelf`, by default in
    main memory. Where `room` is given, a pass that does not fit into it has fewer examples. What each source takes is entered
    in `seconds`. Raises BadInput if evidence is not finite or cannot be gathered. With `failed`, such evidence is left out
    instead, and the reason noted there under its name.
    """
    failed_here = {} if failed is None else failed
    passes = room.size(size, holds(needs & SHARED_PASS)) if room else size
    gathered = _pass(case, rows, passes, needs, label, failed_here, shelf)
    for name, source in sources().items():
        if name in needs:
            own, start = list(rows)[: source.most], time.perf_counter()
            try:
                found = source.gather(case, own, room.size(size, source.holds) if room else size)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # other libraries' code, and users'
                failed_here[name] = _reason(case, error)
                continue
            for site, values in found.items():
                _note_if_not_finite(case.site(site), {name: values}, own, failed_here)
                gathered.statistic(site, name, values)
            if seconds is not None:
                seconds[name] = time.perf_counter() - start
    if failed_here and failed is None:
        name, reason = next(iter(failed_here.items()))
        raise BadInput(f"{case.name}: evidence {name!r} is unavailable: {reason}")
    return gathered.evidence(case.seed, len(rows), failed_here)


def unavailable(case: Case, needs: frozenset[str]) -> dict[str, str]:
    """The evidence among `needs` that a case cannot provide, by name, with the reason; sources are tried on one example.

    They are tried with zeros in place of removed maps, and what speaks of these alone is unavailable under another fill.
    """
    fill, case = case.fill, dataclasses.replace(case, fill=None)
    reasons = {name: _refusal(case, source) for name, source in sources().items() if name in needs}
    if needs & DIFFERENTIATED:
        reasons |= dict.fromkeys(needs & DIFFERENTIATED, slopeless(case))
    if LABELS in needs:
        labels = next(case.batches(case.train, [0], 1)).labels
        reasons[LABELS] = "" if are_classes(labels) else f"one whole number per example, and these are {described(labels)}"
    if fill:
        of_zeros = {name for name in needs if name in OF_ZEROS or (name in sources() and sources()[name].of_zeros)}
        reasons |= dict.fromkeys(of_zeros, f"--fill zero: it speaks of maps that become zeros, and not of --fill {fill.name}")
    return {name: reason for name, reason in reasons.items() if reason}


def _refusal(case: Case, source: Source) -> str:
    if reason := source.unfit(case):
        return reason
    try:
        source.gather(case, [0], 1)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # other libraries' code, and users'
        return _reason(case, error)
    return ""


def _reason(case: Case, error: Exception) -> str:
    text = (str(error).splitlines() or ["no reason given"])[0]
    return text.removeprefix(f"{case.name}: ") if isinstance(error, BadInput) else f"{type(error).__name__}: {text}"


def _pass(
    case: Case,
    rows: Sequence[int],
    size: int,
    needs: frozenset[str],
    label: str,
    failed: dict[str, str],
    shelf: Shelf | None,
) -> GatheredEvidence:
    """Runs the shared pass: gathers its statistics, how many positions each map has, and the labels."""
    gathered = GatheredEvidence(case, shelf)
    for block, batch in stream(case, rows, size, f"{label} evidence"):
        gathered.batch(batch)
        with filled(case.model, fills_for(case, batch) if needs & DIFFERENTIATED else {}):
            tallies = _observe(case, batch, needs, gathered) if needs & SHARED_PASS else []
        for tally in tallies:
            parts = tally.parts()
            _note_if_not_finite(tally.site, parts, block, failed)
            gathered.site(tally.site, parts, tally.counts)
    return gathered


def _observe(case: Case, batch: Batch, needs: frozenset[str], gathered: GatheredEvidence) -> list[BatchStatistics]:
    """Passes one batch through the network; returns a tally for every site, and adds the weights' gradients to `gathered`."""
    learning = list(convolutions(case).values()) if needs & {WEIGHT_GRAD, WEIGHT_PRODUCT} else []
    weights = [module.get_parameter("weight") for module in learning]
    tallies = [BatchStatistics(case, site, batch.examples, needs) for site in case.sites]
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


def _note_if_not_finite(site: Site, parts: SiteStatistics, block: Sequence[int], failed: dict[str, str]) -> None:
    for name, part in parts.items():
        if name not in failed and not bool(part.isfinite().all()):
            row, column = (~part.isfinite()).nonzero()[0].tolist()
            where = f", on training example {block[row]}" if len(part) == len(block) else ""
            index = column if part.shape[1] == site.maps else row
            failed[name] = f"it is {part[row, column]} for map {index} of site {site.name!r}{where}"
