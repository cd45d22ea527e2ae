"""Which maps may go, where one of every needed set of maps must stay."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.cutting.wiring import Owner


def one_of_each_site(case: Case) -> list[frozenset[Owner]]:
    """The needed sets of a network in which every site must keep a map."""
    return [frozenset((site.name, index) for index in range(site.maps)) for site in case.sites]


def may_go(needed: Collection[frozenset[Owner]], order: Iterable[Owner]) -> Iterator[Owner]:
    """Yields the maps of `order` that can be deleted after those that it has yielded: a set's last map is passed over."""
    left = [len(some) for some in needed]
    sets: dict[Owner, list[int]] = defaultdict(list)
    for place, some in enumerate(needed):
        for owner in some:
            sets[owner].append(place)
    for owner in order:
        if all(left[place] > 1 for place in sets[owner]):
            for place in sets[owner]:
                left[place] -= 1
            yield owner


def by_site(owners: Iterable[Owner]) -> dict[str, list[int]]:
    """The numbers of maps by site, in the order of `owners`."""
    found: dict[str, list[int]] = {}
    for site, index in owners:
        found.setdefault(site, []).append(index)
    return found
