"""MapSet: maps of any sites that are removed together; checked against a case, read from a file, or drawn at random."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pruning_oracle.bench.case import Case, Site
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.runs.bounds import COUNT, SEED, SHARE

MOST, LONGEST = 10**6, 2**28  # sets, and bytes of a file of them
ALLOWED = 'a list of sets such as [{"features.0": [1, 5], "features.3": [0]}]: for each site the maps that are removed'


@dataclass(frozen=True)
class MapSet:
    """Maps that are removed together, by site; equal to every other set of the same maps. It may be empty.

    `maps` holds a site's name and its maps, sorted, for each site that has any, sorted by name; `of` makes it from a mapping.
    """

    maps: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, maps: Mapping[str, Iterable[int]]) -> "MapSet":
        """The set of these maps by site's name; nothing is checked."""
        return cls(tuple((site, tuple(sorted(indices))) for site, indices in sorted(maps.items()) if tuple(indices)))

    def __len__(self) -> int:
        return sum(len(indices) for _, indices in self.maps)

    def by_site(self, case: Case) -> dict[Site, tuple[int, ...]]:
        """The maps by the case's sites."""
        return {case.site(name): indices for name, indices in self.maps}

    @property
    def named(self) -> dict[str, list[int]]:
        """The maps by site's name, as JSON holds them."""
        return {name: list(indices) for name, indices in self.maps}


def checked_sets(case: Case, sets: Iterable[Any], where: str = "sets") -> list[MapSet]:
    """The sets that mappings from a site's name to maps mean, in their order; what is a `MapSet` already is checked, too.

    Raises BadInput, which calls them `where`, if there are none, or if one names an unknown site or map, repeats a map, or
    leaves a site without maps.
    """
    if isinstance(sets, (str, bytes, Mapping, MapSet)) or not isinstance(sets, Iterable):
        raise BadInput(f"{where}: {_short(sets)} is no list of sets; allowed is {ALLOWED}")
    found = [_checked(case, one, f"{where}[{place}]") for place, one in enumerate(sets)]
    if not 1 <= len(found) <= MOST:
        raise BadInput(f"{where} holds {len(found):,} sets; allowed are 1 to {MOST:,}")
    return found


def _checked(case: Case, one: Any, where: str) -> MapSet:
    given = one.named if isinstance(one, MapSet) else one
    if not isinstance(given, Mapping):
        raise BadInput(f"{where} is {_short(given)}; allowed is {ALLOWED}")
    for name, indices in given.items():
        _check_maps(_site(case, name, where), indices, where)
    return MapSet.of({name: list(map(int, indices)) for name, indices in given.items()})


def _site(case: Case, name: Any, where: str) -> Site:
    known = {site.name: site for site in case.sites}
    if name not in known:
        raise BadInput(f"{where}: {unknown('site', name, known)}")
    return known[name]


def _check_maps(site: Site, indices: Any, where: str) -> None:
    place = f"{where}, site {site.name!r}"
    if isinstance(indices, (str, bytes, Mapping)) or not isinstance(indices, Iterable):
        raise BadInput(f"{place}: {_short(indices)} is no list of maps; allowed is {ALLOWED}")
    seen = set()
    for index in indices:
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not 0 <= index < site.maps:
            raise BadInput(f"{place}: there is no map {_short(index)}; allowed are 0 to {site.maps - 1}")
        if index in seen:
            raise BadInput(f"{place}: map {index} is named twice; allowed is each once")
        seen.add(index)
    if len(seen) == site.maps:
        raise BadInput(f"{place}: all {site.maps} maps are named; a set must leave one at every site")


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def read_sets(case: Case, path: Path) -> list[MapSet]:
    """The sets that a JSON file lists (see `ALLOWED`); BadInput for anything else."""
    try:
        if path.stat().st_size > LONGEST:
            raise BadInput(f"--sets {path} has {path.stat().st_size:,} bytes; a file of sets has at most {LONGEST:,}")
        listed = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except OSError as error:
        raise BadInput(f"--sets {path}: {error.strerror}; allowed is a JSON file with {ALLOWED}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--sets {path} is no JSON ({error}); allowed is {ALLOWED}") from error
    return checked_sets(case, listed, f"--sets {path}")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a set names a site twice")
    return found


def random_sets(case: Case, count: int, share: float = 0.1, seed: int = 0) -> list[MapSet]:
    """Reference sets: random sets of maps, each with the same share of all maps of a network.

    A set takes the maps of a random order one by one, but leaves out a site's last.

    Args:
        case: whose maps they are.
        count: how many sets.
        share: of all maps of the network, above 0; at least one map is taken.
        seed: what they are drawn from.

    Returns:
        The sets; small ones may be equal.

    Raises:
        BadInput: a number is out of bounds, or so many maps cannot be removed without emptying a site.

    Examples:
        >>> import pruning_oracle as po
        >>> [len(one) for one in po.random_sets(po.load("vgg-digits"), 3, share=0.02)]
        [11, 11, 11]
    """
    COUNT.check("--random", count)
    SHARE.check("--share", share)
    SEED.check("--draw-seed", seed)
    owners = [(site, index) for site in case.sites for index in range(site.maps)]
    wanted, most = max(1, round(share * len(owners))), len(owners) - len(case.sites)
    if wanted > most:
        raise BadInput(
            f"--share {share:g} is {wanted} of {len(owners)} maps; allowed are at most {most}, since every site keeps one"
        )
    generator = torch.Generator().manual_seed(seed)
    return [_random_set(case, owners, wanted, generator) for _ in range(count)]


def _random_set(case: Case, owners: list[tuple[Site, int]], wanted: int, generator: torch.Generator) -> MapSet:
    gone: dict[str, list[int]] = {site.name: [] for site in case.sites}
    for place in torch.randperm(len(owners), generator=generator).tolist():
        site, index = owners[place]
        if wanted and len(gone[site.name]) < site.maps - 1:
            gone[site.name].append(index)
            wanted -= 1
    return MapSet.of(gone)
