"""Gathers evidence during fine-tuning updates, which make forward and backward passes anyway, so that it is nearly free."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.criteria.criterion import Evidence
from pruning_oracle.criteria.evidence.filters import convolutions
from pruning_oracle.criteria.evidence.gathered import GatheredEvidence
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED, LABELS, SHARED_PASS, WEIGHT_GRAD
from pruning_oracle.criteria.evidence.tally import BatchStatistics

FREE = SHARED_PASS | {LABELS}  # evidence that an update can give


class EvidenceFromUpdates:
    """Evidence on every site from the updates since the last removal; of `needs`, only what is in FREE is gathered."""

    def __init__(self, case: Case, needs: frozenset[str]) -> None:
        self.case, self.needs = case, needs & FREE
        self.gathered = GatheredEvidence(case)
        self.updates = 0

    @contextmanager
    def watching(self, batch: Batch) -> Iterator[None]:
        """Adds the evidence of one update; the block must contain its forward and backward pass on `batch`."""
        count = batch.examples
        if not self.needs:
            yield
            return
        tallies = [BatchStatistics(self.case, site, count, self.needs) for site in self.case.sites]
        with ExitStack() as stack:
            for hook in [hook for tally in tallies for hook in tally.hooks()]:
                stack.callback(hook.remove)
            yield
        self.updates += 1
        self.gathered.batch(batch)
        for tally in tallies:
            # gradients are of the mean loss; an example's own are `count` times as large
            each = {name: part * count if name in DIFFERENTIATED else part for name, part in tally.parts().items()}
            self.gathered.site(tally.site, each, tally.counts)
        for module in convolutions(self.case).values() if WEIGHT_GRAD in self.needs else ():
            grad = module.get_parameter("weight").grad
            assert grad is not None
            self.gathered.slope(module, grad)

    def evidence(self, seed: int) -> Mapping[str, Evidence]:
        """The evidence by site, from all examples of all updates."""
        return self.gathered.evidence(seed, self.updates)
