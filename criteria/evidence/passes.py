"""What passes that gather evidence share: batches with progress, gates to differentiate by, no other gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.network.gates import gated


def stream(case: Case, rows: Sequence[int], size: int, label: str) -> Iterator[tuple[Sequence[int], Batch]]:
    """Batches with the rows that they hold, and a bar that says how far it is."""
    with tqdm(total=len(rows), desc=f"{case.name} seed {case.seed} {label}", unit="example", leave=False) as bar:
        for first, batch in zip(range(0, len(rows), size), case.batches(case.train, rows, size), strict=True):
            yield rows[first : first + size], batch
            bar.update(len(batch.labels))


def by_batch(
    case: Case, rows: Sequence[int], size: int, label: str, of: Callable[[Sequence[int], Batch], Sequence[Tensor]]
) -> dict[str, Tensor]:
    """What `of` gives for every batch, one `[example, map]` per site, put together."""
    parts = [[part.detach().cpu() for part in of(block, batch)] for block, batch in stream(case, rows, size, label)]
    return {site.name: torch.cat(found) for site, found in zip(case.sites, zip(*parts, strict=True), strict=True)}


def open_gates(case: Case, examples: int, value: float = 1.0) -> dict[Site, Tensor]:
    """A gate value for every example and map of every site, that can be differentiated by."""
    dtype = next(case.model.parameters()).dtype
    return {
        site: torch.full((examples, site.maps), value, device=case.device, dtype=dtype).requires_grad_() for site in case.sites
    }


@contextmanager
def differentiable(model: nn.Module, weights: Sequence[nn.Parameter] = ()) -> Iterator[None]:
    """Gradients flow inside the block, to no parameter but `weights`; cudnn has no backward for recurrent layers in eval."""
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
    """Why a case's loss cannot be differentiated, tried on one example; nothing if it can."""
    batch = next(case.batches(case.train, [0], 1))
    with differentiable(case.model), gated(case.model, open_gates(case, 1)):
        loss = case.loss(case.model(batch.inputs), batch.labels)
    return "" if loss.requires_grad else "the loss has no gradient"
