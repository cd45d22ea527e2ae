"""One forward and backward pass that gathers the evidence every requested criterion needs, batch by batch."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm

from bench.case import Batch, Case, Site
from bench.errors import BadInput
from bench.gates import gated
from criteria.criterion import Evidence
from criteria.gauss_newton import curvatures
from criteria.statistics import CURVATURE, DIFFERENTIATED, GATE_GRAD
from criteria.tally import Parts, Tally


def collect(case: Case, rows: Sequence[int], size: int, needs: frozenset[str], label: str) -> dict[str, Evidence]:
    """The evidence at every site from those rows of the training set, in their order; activations are never stored whole."""
    gathered: dict[str, dict[str, list[Tensor]]] = {site.name: defaultdict(list) for site in case.sites}
    labels, positions = [], {}
    progress = tqdm(total=len(rows), desc=f"{case.name} seed {case.seed} {label} evidence", unit="example", leave=False)
    for first, batch in zip(range(0, len(rows), size), case.batches(case.train, rows, size), strict=True):
        labels.append(batch.labels.cpu())
        for site, (parts, count) in _observe(case, batch, needs, rows[first : first + size]).items():
            positions[site.name] = count
            for name, part in parts.items():
                gathered[site.name][name].append(part.cpu())
        progress.update(len(batch.labels))
    progress.close()
    everything = torch.cat(labels)
    return {
        site.name: Evidence(
            site=site,
            seed=case.seed,
            weights=filters(case.model, site),
            labels=everything,
            positions=positions[site.name],
            statistics={name: torch.cat(parts) for name, parts in gathered[site.name].items()},
        )
        for site in case.sites
    }


def filters(model: nn.Module, site: Site) -> Tensor:
    """Every weight that makes each map, `[map, weight]`, without biases: all of a site's convolutions side by side."""
    columns = []
    for name, channels in zip(site.convolutions, site.channels, strict=True):
        module = model.get_submodule(name)
        weight = module.get_parameter("weight").detach().cpu()
        if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
            groups = weight.unflatten(0, (module.groups, -1)).transpose(1, 2)
            weight = groups.flatten(0, 1)  # stored as [in, out / groups, …]
        rows: list[list[Tensor]] = [[] for _ in range(site.maps)]
        for filter_, index in zip(weight.flatten(1), channels, strict=True):
            if index >= 0:
                rows[index].append(filter_)
        columns.append(torch.stack([torch.cat(row) for row in rows]))
    return torch.cat(columns, 1)


def _observe(case: Case, batch: Batch, needs: frozenset[str], block: Sequence[int]) -> dict[Site, tuple[Parts, Tensor]]:
    """Statistics of one batch, `[example, map]` each, and the number of positions per map."""
    differentiate = bool(needs & DIFFERENTIATED)
    tallies = {site: Tally(case, site, len(batch.labels), needs) for site in case.sites}
    values = {site: tally.blank(1.0).requires_grad_(differentiate) for site, tally in tallies.items()}
    frozen = torch.backends.cudnn.flags(
        enabled=not _recurrent(case.model)
    )  # cudnn has no backward for recurrent layers in eval
    with ExitStack() as stack, torch.set_grad_enabled(differentiate), frozen:
        stack.enter_context(_without_weight_gradients(case.model))
        stack.enter_context(gated(case.model, values))
        for site in case.sites:
            for name in site.gates:
                hook = case.model.get_submodule(name).register_forward_hook(tallies[site].watch)
                stack.callback(hook.remove)
        output = case.model(batch.inputs)
        loss = case.checked(case.loss(output, batch.labels), batch)
        if differentiate and not loss.requires_grad:
            raise BadInput(f"{case.name}: the loss has no gradient, which {GATE_GRAD!r} needs: choose criteria without it")
        grads: Sequence[Tensor | None] = [None] * len(values)
        if differentiate:  # examples do not see each other in eval mode, so the sum gives each its own gradient
            again = CURVATURE in needs
            grads = torch.autograd.grad(loss.sum(), list(values.values()), allow_unused=True, retain_graph=again)
            for tally in tallies.values():
                tally.close()
            bent = curvatures(case, output, batch, list(values.values())) if again else []
    found: dict[Site, tuple[Parts, Tensor]] = {}
    for site, grad in zip(values, grads, strict=True):
        parts = tallies[site].parts()
        if GATE_GRAD in needs:
            parts[GATE_GRAD] = tallies[site].blank(0.0) if grad is None else grad
        if CURVATURE in needs:
            parts[CURVATURE] = bent[list(values).index(site)]
        _check_finite(case, site, parts, block)
        found[site] = parts, tallies[site].counts.cpu()
    return found


@contextmanager
def _without_weight_gradients(model: nn.Module) -> Iterator[None]:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def _recurrent(model: nn.Module) -> bool:
    return any(isinstance(module, nn.RNNBase) for module in model.modules())


def _check_finite(case: Case, site: Site, parts: Parts, block: Sequence[int]) -> None:
    for name, part in parts.items():
        broken = (~part.isfinite()).nonzero()
        if len(broken):
            example, index = broken[0].tolist()
            raise BadInput(
                f"{case.name}: evidence {name!r} is {part[example, index]} for map {index} of site {site.name!r},"
                f" on training example {block[example]}"
            )
