"""What criteria cost: the seconds of their evidence and arithmetic, a part spent once and a part for every example."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from pruning_oracle.bench import clock
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import finish
from pruning_oracle.criteria.criterion import Criterion
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.criteria.evidence.room import Room
from pruning_oracle.criteria.evidence.source import sources
from pruning_oracle.criteria.evidence.statistics import SHARED_PASS, WEIGHT_GRAD

LEAST = 8  # the examples of the smaller of two timings
SECONDS = 0.05  # the larger one has as many examples as a forward pass handles in this time, but at most a batch


@dataclass(frozen=True)
class Price:
    """Seconds that some work takes `once`, and for `each` of its examples; it looks at `most` of them if that is not None."""

    once: float = 0.0
    each: float = 0.0
    most: int | None = None

    def seconds(self, examples: int) -> float:
        """What it takes in all where so many examples are scored."""
        return self.once + self.each * min(examples, self.most or examples)

    @property
    def facts(self) -> dict[str, float | int | None]:
        """What a run file stores of it."""
        return {"seconds once": self.once, "seconds per example": self.each, "examples at most": self.most}


@dataclass
class Timed:
    """What was timed while so many examples were scored: seconds of every source, and of every criterion's arithmetic."""

    examples: int
    sources: dict[str, float] = field(default_factory=dict)
    arithmetic: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def scoring(self, criterion: Criterion) -> Iterator[None]:
        """Adds the time of the block to that of a criterion's arithmetic."""
        start = time.perf_counter()
        yield
        finish()
        self.arithmetic[criterion.name] = self.arithmetic.get(criterion.name, 0.0) + time.perf_counter() - start


def through(few: tuple[int, float], many: tuple[int, float], most: int | None = None) -> Price:
    """The price of work by its seconds for two numbers of examples; for equal numbers all of it is spent once."""
    each = max(0.0, many[1] - few[1]) / max(1, many[0] - few[0])
    return Price(max(0.0, many[1] - each * many[0]), each, most)


def measure_costs(
    case: Case, chosen: Sequence[Criterion], rows: Sequence[int], size: int, timed: Timed, room: Room
) -> tuple[dict[str, Price], float]:
    """What each criterion costs alone, by name; and the seconds of a forward pass per example.

    What a source of evidence and a criterion's arithmetic take was timed on all examples (`timed`), and a source is timed on 8
    of `rows` too. Statistics of the shared pass are timed on two numbers of them, without what every criterion needs, such as
    reading the examples and laying out the filters.
    """

    def forward(some: Sequence[int]) -> None:
        with torch.no_grad():
            for batch in case.batches(case.train, some, size):
                case.losses(batch)

    few = list(rows)[:LEAST]
    quick = clock.timed(lambda: forward(few)) / len(few)
    many = list(rows)[: max(2 * LEAST, min(size, int(SECONDS / quick)))]  # else all would count as spent once
    unit = min(clock.timed(lambda: forward(many)) for _ in range(3)) / len(many)

    def gather(needs: frozenset[str], some: Sequence[int]) -> float:
        return clock.once(lambda: collect(case, some, size, needs, "price", room=room))

    def beyond(needs: frozenset[str], some: Sequence[int]) -> tuple[int, float]:
        return len(some), max(0.0, gather(needs, some) - nothing[len(some)])

    gather(frozenset(), few)  # warms up
    nothing = {len(some): gather(frozenset(), some) for some in (few, many)}
    passes = {
        needs: through(beyond(needs, few), beyond(needs, many)) if needs else Price()
        for needs in {criterion.needs & SHARED_PASS for criterion in chosen}
    }
    priced = {name: _price_of_source(case, name, few, room.size(size, sources()[name].holds), timed) for name in timed.sources}
    found = {}
    for criterion in chosen:
        own = [priced[name] for name in sorted(criterion.needs & priced.keys())]
        grows = criterion.needs & SHARED_PASS - {WEIGHT_GRAD} or any(price.each for price in own)
        arithmetic, most = timed.arithmetic[criterion.name], min((price.most for price in own if price.most), default=None)
        looked = min(timed.examples, most or timed.examples)
        parts = [passes[criterion.needs & SHARED_PASS], *own, Price(0.0, arithmetic / looked) if grows else Price(arithmetic)]
        found[criterion.name] = Price(sum(part.once for part in parts), sum(part.each for part in parts), most)
    return found, unit


def _price_of_source(case: Case, name: str, few: Sequence[int], size: int, timed: Timed) -> Price:
    """What a source takes, by the seconds for all examples that it looked at and for a few of them."""
    gather: Callable[..., object] = sources()[name].gather
    most = sources()[name].most
    looked = min(timed.examples, most or timed.examples)
    some = list(few)[: looked // 2]
    seconds = clock.once(lambda: gather(case, some, size)) if some else timed.sources[name]
    return through((len(some) or looked, seconds), (looked, timed.sources[name]), most)
