"""Where a table's figures come from: version, commit, machine, libraries, seeds, examples and days, and how to cite them."""

from collections.abc import Iterable, Sequence
from typing import Any

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.reports.citation import HOW, bibtex
from pruning_oracle.reports.inputs.read import Run, fill_of
from pruning_oracle.reports.inputs.tables import plain_cell

UNKNOWN = "unknown"  # what a file of an older version does not say


def source(found: Sequence[Run], more: Sequence[RunFile] = ()) -> dict[str, Any]:
    """What the files of runs say of how they were measured, as JSON has it.

    Args:
        found: the runs whose figures a table shows, as `read_shown_run` gives them.
        more: further files that figures come from.

    Returns:
        `suite` and `commit` that measured, `measured` (the days, first and last), lists of `hardware` and `libraries`, `cases`
        (by name their seeds, numbers of oracle and fresh examples, precision and engine, what stands in a removed map's place
        unless zeros do, and of an estimated oracle the share of pairs measured), `cite` (the command that prints the entries)
        and `bibtex` (the entries).
    """
    files = [*(file for run in found for file in (run.oracle, run.criteria)), *more]
    suite, commit = (", ".join(_each(file.facts.get(name, UNKNOWN) for file in files)) for name in ("suite", "commit"))
    days = sorted(file.facts["when"][:10] for file in files if "when" in file.facts)
    return {
        "suite": suite,
        "commit": commit,
        "measured": _each([*days[:1], *days[-1:]]),
        "hardware": _each(machine_of(file.facts) for file in files),
        "libraries": _each(f"{name} {number}" for file in files for name, number in file.facts.get("versions", {}).items()),
        "cases": {run.case: _case([one for one in found if one.case == run.case]) for run in found},
        "cite": HOW,
        "bibtex": bibtex(suite, commit),
    }


def sentences(of: dict[str, Any]) -> list[str]:
    """What `source` gives, for people: a sentence of the code and the days, one of the machine, and one for each case."""
    days = " to ".join(of["measured"]) or "an unknown day"
    machine = "; ".join(of["hardware"])
    return [
        f"Measured by Pruning Oracle {of['suite']}, commit {of['commit']}, on {days}.",
        f"Hardware: {machine}. Libraries: {', '.join(of['libraries']) or UNKNOWN}.",
        *(f"{case}: {said_of_case(about)}." for case, about in of["cases"].items()),
    ]


def source_note(found: Sequence[Run]) -> str:
    """Where the figures of a table in Markdown come from, as a paragraph to stand below it."""
    return f"\n\n{' '.join(plain_cell(sentence) for sentence in sentences(source(found)))} How to cite: `{HOW}`.\n"


def said_of_case(about: dict[str, Any]) -> str:
    """Seeds, numbers of examples and precision of a case, as half a sentence."""
    one = len(about["seeds"]) == 1
    seeds, per_seed = f"seed{'' if one else 's'} {', '.join(map(str, about['seeds']))}", "" if one else " each"
    counts = f"{about['oracle examples']} oracle and {about['fresh examples']} fresh examples{per_seed}"
    share, fill = about.get("share of pairs measured"), f", fill {about['fill']}" if "fill" in about else ""
    return f"{seeds} with {counts}, {about['precision']}{fill}" + (
        f", oracle estimated from {share:.1%} of all pairs" if share else ""
    )


def _case(found: Sequence[Run]) -> dict[str, Any]:
    facts = found[0].oracle.facts
    about = {
        "seeds": sorted(run.seed for run in found),
        "oracle examples": facts["examples"],
        "fresh examples": found[0].criteria.facts["fresh"]["examples"],
        "precision": facts["precision"],
        "engine": facts["engine"],
    }
    if found[0].filled:
        about["fill"] = fill_of(found[0].oracle)["name"]
    return about | ({"share of pairs measured": facts["estimated"]["share"]} if "estimated" in facts else {})


def machine_of(facts: dict[str, Any]) -> str:
    """The device, the processor beside it and the number of threads that a file's facts name."""
    device, processor = facts["device"], facts.get("processor", facts["device"])
    host = "" if device == processor else f" beside {processor}"
    threads = f", {facts['threads']} thread{'' if facts['threads'] == 1 else 's'}" if "threads" in facts else ""
    return f"{device}{host}{threads}"


def _each(texts: Iterable[str]) -> list[str]:
    """Each text once, in the order in which they come."""
    return list(dict.fromkeys(texts))
