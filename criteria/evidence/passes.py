"""Helpers of the passes that gather evidence: batches with a progress bar, gates to differentiate by, gradients on request."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import exact_enough
from pruning_oracle.bench.network.fills import fills_for
from pruning_oracle.bench.network.gates import filled, gated
from pruning_oracle.bench.progress import bar


def stream(case: Case, rows: Sequence[int], size: int, label: str) -> Iterator[tuple[Sequence[int], Batch]]:
    """The batches of these rows, `size` examples at a time, each with its own rows; shows a progress bar."""
    with bar(total=len(rows), desc=f"{case.name} seed {case.seed} {label}", unit="example", leave=False) as shown:
        for first, batch in zip(range(0, len(rows), size), case.batches(case.train, rows, size), strict=True):
            yield rows[first : first + size], batch
            shown.update(batch.examples)


def by_batch(
    case: Case, rows: Sequence[int], size: int, label: str, of: Callable[[Sequence[int], Batch], Sequence[Tensor]]
) -> dict[str, Tensor]:
    """Calls `of` with the rows of every batch and the batch, and puts its results together, by site.

    `of` gives one tensor `[example, map]` per site, in the order of the sites. The case's fill stands in for removed maps.
    """
    found: dict[str, Tensor] = {}
    done = 0
    for block, batch in stream(case, rows, size, label):
        with filled(case.model, fills_for(case, batch)):
            parts = of(block, batch)
        for site, part in zip(case.sites, parts, strict=True):
            whole = found.setdefault(site.name, part.new_empty((len(rows), *part.shape[1:]), device="cpu", requires_grad=False))
            whole[done : done + len(block)] = part.detach()
        done += len(block)
    return found


def open_gates(case: Case, examples: int, value: float = 1.0) -> dict[Site, Tensor]:
    """For every site, gate values `[example, map]` that the loss can be differentiated by, all equal to `value`."""
    dtype = exact_enough(next(case.model.parameters()).dtype)
    return {
        site: torch.full((examples, site.maps), value, device=case.device, dtype=dtype).requires_grad_() for site in case.sites
    }


@contextmanager
def differentiable(model: nn.Module, weights: Sequence[nn.Parameter] = ()) -> Iterator[None]:
    """Enables gradients inside the block; of the parameters, only `weights` get one.

    A network with recurrent layers runs without cudnn, which has no backward pass for them in eval mode.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    wanted = {id(parameter) for parameter in weights}
    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.backends.cudnn.flags(enabled=not recurrent))
        for parameter in model.parameters():
            stack.callback(parameter.requires_grad_, parameter.requires_grad)
            parameter.requires_grad_(id(parameter) in wanted)
        yield


def slopeless(case: Case) -> str:
    """Why a case's loss cannot be differentiated, tried on one example; empty if it can."""
    batch, gates = next(case.batches(case.train, [0], 1)), open_gates(case, 1)
    with differentiable(case.model), gated(case.model, gates):
        loss = case.loss(case.model(batch.inputs), batch.labels)
        try:
            if loss.requires_grad:
                torch.autograd.grad(loss.sum(), list(gates.values()), allow_unused=True)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # an operation without a backward pass
            return f"the loss has no gradient: {str(error).splitlines()[0]}"
    return "" if loss.requires_grad else "the loss has no gradient"
