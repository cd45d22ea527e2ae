"""Evidence from the fine-tuning updates themselves, which are forward and backward passes anyway: it costs next to nothing."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from bench.case import Batch, Case
from criteria.criterion import Evidence
from criteria.filters import convolutions, filters
from criteria.statistics import DIFFERENTIATED, SHARED_PASS, WEIGHT_GRAD
from criteria.tally import Tally

FREE = SHARED_PASS  # what an update shows


class Gathering:
    """What the updates since the last removal have shown of every site."""

    def __init__(self, case: Case, needs: frozenset[str]) -> None:
        self.case, self.needs = case, needs & FREE
        self.parts: dict[str, dict[str, list[Tensor]]] = {site.name: defaultdict(list) for site in case.sites}
        self.positions: dict[str, Tensor] = {}
        self.labels: list[Tensor] = []
        self.slopes: dict[nn.Module, Tensor] = {}
        self.updates = 0

    @contextmanager
    def watching(self, batch: Batch) -> Iterator[None]:
        """Watches one update from its forward pass to the end of its backward pass."""
        count = len(batch.labels)
        if not self.needs:
            yield
            return
        tallies = [Tally(self.case, site, count, self.needs) for site in self.case.sites]
        with ExitStack() as stack:
            for hook in [hook for tally in tallies for hook in tally.hooks()]:
                stack.callback(hook.remove)
            yield
        self.labels.append(batch.labels.cpu())
        for tally in tallies:
            self.positions[tally.site.name] = tally.counts.cpu()
            for name, part in tally.parts().items():
                each = count if name in DIFFERENTIATED else 1  # of the mean loss, of which each example's own is a part
                self.parts[tally.site.name][name].append((part * each).detach().cpu())
        self.updates += 1
        for module in convolutions(self.case).values() if WEIGHT_GRAD in self.needs else ():
            grad = module.get_parameter("weight").grad
            assert grad is not None
            self.slopes[module] = self.slopes.get(module, torch.zeros_like(grad)) + grad

    def evidence(self, seed: int) -> dict[str, Evidence]:
        """The evidence at every site, from all examples of all updates."""
        found = {}
        for site in self.case.sites:
            statistics = {name: torch.cat(parts) for name, parts in self.parts[site.name].items()}
            if WEIGHT_GRAD in self.needs:
                statistics[WEIGHT_GRAD] = filters(self.case.model, site, lambda module: self.slopes[module] / self.updates)
            found[site.name] = Evidence(
                site=site,
                case=self.case.name,
                seed=seed,
                weights=filters(self.case.model, site),
                labels=torch.cat(self.labels) if self.labels else torch.zeros(1, dtype=torch.long),
                positions=self.positions.get(site.name, torch.full((site.maps,), torch.nan)),
                statistics=statistics,
            )
        return found
