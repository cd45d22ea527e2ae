"""How the memory of `--memory` is shared out while criteria score, and the least that suffices."""

from collections.abc import Sequence
from dataclasses import dataclass

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import PRECISIONS, exact_enough
from pruning_oracle.bench.network import memory
from pruning_oracle.criteria.evidence.source import BACKWARD, Source, sources
from pruning_oracle.criteria.evidence.statistics import DIFFERENTIATED, SHARED_PASS, WEIGHT_GRAD

FORWARD = 2.0  # times the activations of its examples: what a forward pass holds, with copies of a layer's
WORKING = 10  # arrays as large as a statistic of a site that a criterion's arithmetic holds


@dataclass(frozen=True)
class Room:
    """Bytes for the passes of one batch, and for evidence and saliencies in main memory; what is more of these lies in a file.

    `each` is how much the activations of one example take.
    """

    passes: int
    kept: int
    each: int

    def size(self, most: int, holds: float) -> int:
        """How many examples a pass may have that holds `holds` times their activations: 1 at least, `most` at most."""
        return max(1, min(most, int(self.passes / max(1.0, holds * self.each))))


def room_for(case: Case, needs: frozenset[str], examples: int, held: int) -> Room:
    """How `held` bytes are shared out for evidence on so many examples; what is below the least is as much as the least."""
    each = memory.activations(case)
    least, one = least_bytes(case, needs, examples, each), int(holds(needs) * each)
    spare = max(0, held - least)
    return Room(one + spare // 3, spare // 6, each)


def least_bytes(case: Case, needs: frozenset[str], examples: int, each: int) -> int:
    """The least memory in which this evidence on so many examples can be gathered and scored, in bytes.

    One example's pass, of which `each` bytes are activations; one array of every map and one site's share of everything; and
    copies of parameters.
    """
    passes, copies = holds(needs) * each, _copies(needs) * sum(weight.nbytes for weight in case.model.parameters())
    maps = [site.maps for site in case.sites]
    wide = examples * sum(maps) if any(source.most is None for source in _sources(needs)) else 0
    number = exact_enough(PRECISIONS[case.precision]).itemsize
    return int(memory.BESIDES + passes + copies + number * (wide + examples * max(maps) * (len(needs) + WORKING)))


def _sources(needs: frozenset[str]) -> Sequence[Source]:
    return [source for name, source in sources().items() if name in needs]


def holds(needs: frozenset[str]) -> float:
    """How many times the activations of an example the passes for this evidence hold of each of their examples."""
    shared = BACKWARD if needs & DIFFERENTIATED else FORWARD if needs & SHARED_PASS else 1.0
    return max([shared, *(source.holds for source in _sources(needs))])


def _copies(needs: frozenset[str]) -> int:
    return max([3 if WEIGHT_GRAD in needs else 1, *(source.copies for source in _sources(needs))])
