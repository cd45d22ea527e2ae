"""Evidence from the fine-tuning updates themselves, which are forward and backward passes anyway: it costs next to nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pruning_oracle.bench.case import Batch, Case
from pruning_oracle.criteria.criterion import Evidence
from pruning_oracle.criteria.evidence.filters import convolutions
from pruning_oracle.criteria.evidence.gathered import Gathered
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED, SHARED_PASS, WEIGHT_GRAD
from pruning_oracle.criteria.evidence.tally import Tally

FREE = SHARED_PASS  # what an update shows


class Gathering:
    """What the updates since the last removal have shown of every site."""

    def __init__(self, case: Case, needs: frozenset[str]) -> None:
        self.case, self.needs = case, needs & FREE
        self.gathered = Gathered(case)
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
        self.updates += 1
        self.gathered.batch(batch)
        for tally in tallies:
            # of the mean loss, of which each example's own is a part
            each = {name: part * count if name in DIFFERENTIATED else part for name, part in tally.parts().items()}
            self.gathered.site(tally.site, each, tally.counts)
        for module in convolutions(self.case).values() if WEIGHT_GRAD in self.needs else ():
            grad = module.get_parameter("weight").grad
            assert grad is not None
            self.gathered.slope(module, grad)

    def evidence(self, seed: int) -> dict[str, Evidence]:
        """The evidence at every site, from all examples of all updates."""
        return self.gathered.evidence(seed, self.updates, {})
