"""Names of sites as reports show them, each a short line of its own: as names of a network's modules they can be anything."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.terminal import one_line

RESERVED = ("mean over sites", "all sites")  # what tables call the scopes that are no single site
LONGEST = 40


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """For every name one that reports can show, which no other has."""
    found: dict[str, str] = {}
    for name in names:
        line = one_line(name) if name.strip() else repr(name)
        short = line if len(line) <= LONGEST else f"{line[: LONGEST // 2]}…{line[-LONGEST // 2 + 1 :]}"
        shown, count = short, 1
        while shown in {*RESERVED, *found.values()}:
            count += 1
            shown = f"{short} ({count})"
        found[name] = shown
    return found


def with_shown_names(file: RunFile, parts: int) -> RunFile:
    """An oracle's or criteria's file whose sites are named as they are shown; names of arrays have `parts` parts in front."""
    names = shown_names(site["name"] for site in file.facts["sites"])
    if all(name == shown for name, shown in names.items()):
        return file
    sites: list[dict[str, Any]] = [site | {"name": names[site["name"]]} for site in file.facts["sites"]]
    arrays = {}
    for key, array in file.arrays.items():
        *front, site = key.split("/", parts)
        arrays["/".join([*front, names.get(site, site)]) if len(front) == parts else key] = array
    return dataclasses.replace(file, arrays=arrays, facts=file.facts | {"sites": sites})
