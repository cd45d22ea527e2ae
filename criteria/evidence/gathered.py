"""Gathers the statistics of every site batch by batch, and makes the evidence from them."""

from collections import defaultdict
from collections.abc import Collection

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.labels import classes_of, joined_classes
from pruning_oracle.criteria.evidence.evidence import Evidence
from pruning_oracle.criteria.evidence.filters import filters
from pruning_oracle.criteria.evidence.statistics import WEIGHT_GRAD
from pruning_oracle.criteria.evidence.tally import SiteStatistics


class GatheredEvidence:
    """The statistics of all examples so far, `[example, map]` each, and the sum of the weights' gradients."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.parts: dict[str, dict[str, list[Tensor]]] = {site.name: defaultdict(list) for site in case.sites}
        self.positions: dict[str, Tensor] = {}
        self.labels: list[Tensor | None] = []
        self.examples = 0
        self.slopes: dict[nn.Module, Tensor] = {}

    def batch(self, batch: Batch) -> None:
        """Begins a batch: adds its labels."""
        self.labels.append(classes_of(batch.labels))
        self.examples += batch.examples

    def site(self, site: Site, parts: SiteStatistics, positions: Tensor) -> None:
        """Adds one site's statistics of the current batch; `positions`, `[map]`, is how many one example has."""
        self.positions[site.name] = positions.cpu()
        for name, part in parts.items():
            self.parts[site.name][name].append(part.detach().cpu())

    def slope(self, module: nn.Module, grad: Tensor) -> None:
        """Adds the gradient of the current batch's summed loss by a convolution's weight."""
        grad = at_least_float32(grad)
        self.slopes[module] = self.slopes[module] + grad if module in self.slopes else grad.clone()

    def evidence(
        self, seed: int, over: int, more: dict[str, SiteStatistics], without: Collection[str] = ()
    ) -> dict[str, Evidence]:
        """The evidence at every site, with `more` statistics, by site, and without those that are named in `without`.

        The weights' gradients, which are sums over examples, are divided by `over`, the number of examples.
        """
        found = {}
        for site in self.case.sites:
            statistics = {name: torch.cat(parts) for name, parts in self.parts[site.name].items()} | more.get(site.name, {})
            if self.slopes:
                statistics[WEIGHT_GRAD] = filters(self.case.model, site, lambda module: self.slopes[module] / over)
            found[site.name] = Evidence(
                site=site,
                case=self.case.name,
                seed=seed,
                weights=filters(self.case.model, site),
                examples=self.examples,
                labels=joined_classes(self.labels),
                positions=self.positions.get(site.name, torch.full((site.maps,), torch.nan)),
                statistics={name: values for name, values in statistics.items() if name not in without},
            )
        return found
