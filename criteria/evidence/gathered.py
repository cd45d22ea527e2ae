"""Gathers the statistics of every site batch by batch, and makes the evidence of a site from them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruning_oracle.bench.case import Batch, Case, Site
from pruning_oracle.bench.device import at_least_float32
from pruning_oracle.bench.labels import classes_of, joined_classes
from pruning_oracle.bench.runs.shelf import Shelf
from pruning_oracle.criteria.evidence.evidence import Evidence
from pruning_oracle.criteria.evidence.filters import filters
from pruning_oracle.criteria.evidence.statistics import WEIGHT_GRAD
from pruning_oracle.criteria.evidence.tally import SiteStatistics


class GatheredEvidence:
    """The statistics of all examples so far, `[example, map]` each, and the sum of the weights' gradients.

    The statistics lie on a `shelf` under their site and name; by default all of them in main memory.
    """

    def __init__(self, case: Case, shelf: Shelf | None = None) -> None:
        self.case, self.shelf = case, Shelf() if shelf is None else shelf
        self.names: dict[str, dict[str, None]] = {site.name: {} for site in case.sites}
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
            self.statistic(site.name, name, part)

    def statistic(self, site: str, name: str, part: Tensor) -> None:
        """Adds some examples' values of a statistic at a site, or all of them."""
        self.names[site][name] = None
        self.shelf.add(f"{site}/{name}", at_least_float32(part).detach().cpu().numpy())

    def slope(self, module: nn.Module, grad: Tensor) -> None:
        """Adds the gradient of the current batch's summed loss by a convolution's weight."""
        grad = at_least_float32(grad)
        self.slopes[module] = self.slopes[module] + grad if module in self.slopes else grad.clone()

    def evidence(self, seed: int, over: int, without: Collection[str] = ()) -> "EvidenceBySite":
        """The evidence at every site, without the statistics that are named in `without`.

        The weights' gradients, which are sums over examples, are divided by `over`, the number of examples.
        """
        return EvidenceBySite(self, seed, over, frozenset(without))


@dataclass(frozen=True)
class EvidenceBySite(Mapping[str, Evidence]):
    """The evidence by the name of its site; that of a site is put together when it is asked for."""

    gathered: GatheredEvidence
    seed: int
    over: int
    without: frozenset[str]

    def __getitem__(self, name: str) -> Evidence:
        """The evidence at the site of that name."""
        gathered, case = self.gathered, self.gathered.case
        site = {site.name: site for site in case.sites}[name]
        kept = [statistic for statistic in gathered.names[name] if statistic not in self.without]
        statistics = {statistic: torch.from_numpy(gathered.shelf[f"{name}/{statistic}"]) for statistic in kept}
        if gathered.slopes:
            statistics[WEIGHT_GRAD] = filters(case.model, site, lambda module: gathered.slopes[module] / self.over)
        return Evidence(
            site=site,
            case=case.name,
            seed=self.seed,
            weights=filters(case.model, site),
            examples=gathered.examples,
            labels=joined_classes(gathered.labels),
            positions=gathered.positions.get(name, torch.full((site.maps,), torch.nan)),
            statistics=statistics,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.gathered.names)

    def __len__(self) -> int:
        return len(self.gathered.names)
