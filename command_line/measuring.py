"""Commands that measure: the oracle and the criteria of one case, and all of it for several cases and seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import (
    CaseOptions,
    ComputingOptions,
    ExampleOptions,
    GoalOptions,
    RepairOptions,
    run_file,
)
from pruning_oracle.command_line.options import COMPUTING, OUTPUT, Fill, number, option

if TYPE_CHECKING:
    from pruning_oracle.bench.setting import Finished

PANEL, SETS = "Measure", "Which sets"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(
        app,
        PANEL,
        "oracle vgg-digits",
        "oracle mine.py --budget 0.05 --memory 8GiB --device cuda",
        "oracle vgg-digits --fill mean",
        "oracle vgg-digits --by class",
    )(oracle)
    command(
        app,
        PANEL,
        "sets vgg-digits --sets mine.json --examples 256",
        "sets vgg-digits --random 100 --share 0.1 --draw-seed 7 --json",
        "sets resnet-digits --random 20 --share 0.2 --repair batchnorm",
    )(sets)
    command(
        app,
        PANEL,
        "criteria vgg-digits --criteria taylor weight_l2 mine.py",
        "criteria torchvision:resnet18 --weights mine.pt --data imagefolder:photos --criteria quick",
    )(criteria)
    command(app, PANEL, "trial cnn3-cifar10")(trial)


def oracle(
    which: CaseOptions,
    chosen: ExampleOptions,
    goal: GoalOptions,
    computing: ComputingOptions,
    fill: Fill = "zero",
    engine: Annotated[str, option("replay, or literal, the slow definition.", COMPUTING, show_default=True)] = "replay",
    by: Annotated[
        str | None, option("Say which maps each `class`, or which examples (`example`) need most, too.", OUTPUT)
    ] = None,
    out: Annotated[Path | None, option("The file to write (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Measure a case's oracle: the change in loss of every example when each map is removed, in nats.

    --by class writes by-class.csv beside it, the mean change over the examples of each class with its interval, --by example
    by-example.csv, the examples that need each map most. Both measure nothing again.
    """
    from pruning_oracle.command_line.oracle_tables import check_by, check_tables, tables_by
    from pruning_oracle.interface.into_files import measure_into

    check_by(by)
    given = chosen.given | goal.given | computing.given
    case = which.load()
    place = run_file(case, "oracle.safetensors", out)
    check_tables(case, by, place)
    done = measure_into(case, place, **given, fill=fill, engine=engine)
    _tell(f"{case.name} seed {case.seed}", goal, done)
    tables = {f"by {by}": tables_by(by, place)} if by else {}
    return Answer({"up to date": done.current, "file": place} | done.facts | tables)


def _tell(name: str, goal: GoalOptions, done: "Finished") -> None:
    """Says how an oracle was measured."""
    from pruning_oracle.oracle.estimated.goal import Goal

    facts = done.facts
    if done.current:
        told(f"{name}: {done.out} is up to date")
        return
    if found := facts.get("estimated"):
        asked = Goal.parse(goal.budget, goal.until)
        reached = asked.said(found["reached"]) if asked.quality else ""
        told(f"estimated: {found['share']:.1%} of the pairs measured in {found['rounds']} rounds{reached}")
        if asked.quality and not asked.met(found["reached"]):
            told(f"{asked} is not likely within the budget")
    size = f"{sum(site['maps'] for site in facts['sites'])} maps at {len(facts['sites'])} sites on {facts['examples']} examples"
    told(f"{name}: {size} in {facts['seconds']:.0f} s, in {done.out}")
    checked = facts["recheck"]
    told(
        f"measured again literally on {checked['triples']} random (site, map, example) triples:"
        f" largest difference {checked['largest difference']:.1g}"
    )


def sets(
    which: CaseOptions,
    chosen: ExampleOptions,
    computing: ComputingOptions,
    repair: RepairOptions,
    sets: Annotated[
        Path | None, option('A JSON file: [{"features.0": [1, 5], "features.3": [0]}, …], maps by site for each set.', SETS)
    ] = None,
    random: Annotated[
        int | None, number("--random", "COUNT", "How many random sets are measured, beside others.", SETS, show_default=False)
    ] = None,
    share: Annotated[
        float | None, number("--share", "SHARE", "Of all maps, for a random set (default 0.1).", SETS, show_default=False)
    ] = None,
    draw_seed: Annotated[
        int | None, number("--draw-seed", "SEED", "What random sets are drawn from (default 0).", SETS, show_default=False)
    ] = None,
    fill: Fill = "zero",
    engine: Annotated[str, option("replay, or literal, the slow definition.", COMPUTING, show_default=True)] = "replay",
    out: Annotated[Path | None, option("The file to write (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Measure joint losses: the change in loss of every example when the maps of a set are removed together, in nats."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.map_set import random_sets, read_sets
    from pruning_oracle.bench.runs import load as load_file
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface.into_files import joint_loss_into
    from pruning_oracle.interface.joint import KIND, read_joint
    from pruning_oracle.interface.result import SHOWN

    if sets is None and random is None:
        raise BadInput("no sets are given: --sets names a file with them, --random says how many are drawn")
    if random is None and (share is not None or draw_seed is not None):
        raise BadInput("--share and --draw-seed are of random sets: --random says how many are drawn")
    given = chosen.given | computing.given | repair.given
    case = which.load()
    listed = read_sets(case, sets) if sets else []
    if random is not None:
        listed += random_sets(case, random, 0.1 if share is None else share, draw_seed or 0)
    place = run_file(case, "sets.safetensors", out)
    done = joint_loss_into(case, place, listed, **given, fill=fill, engine=engine)
    found, name = read_joint(load_file(done.out, KIND)), f"{case.name} seed {case.seed}"
    told(f"{name}: {place} is up to date" if done.current else f"{name}: measured in {done.facts['seconds']:.0f} s, in {place}")
    told(found.lines()[0])
    table = found.frame()
    more = f"the first {SHOWN} of {len(table)}" if len(table) > SHOWN else ""
    print_table(table.head(SHOWN).round(4).astype(str), "joint loss in nats, with a 95 % interval over examples", more)
    rows = [row | {"removed": one.named} for row, one in zip(table.to_dict("records"), found.sets, strict=True)]
    facts = {fact: value for fact, value in done.facts.items() if fact != "sets"}
    return Answer({"up to date": done.current, "file": place, "joint losses": rows} | facts)


def criteria(
    which: CaseOptions,
    chosen: ExampleOptions,
    computing: ComputingOptions,
    criteria: Annotated[list[str] | None, option("Names, .py files with @criterion, quick, all (default).")] = None,
    fill: Fill = "zero",
    out: Annotated[Path | None, option("The file to write (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Score a case's maps by criteria, on the oracle's own examples (shared) and on others (fresh)."""
    from pruning_oracle.criteria.criterion import choose_criteria
    from pruning_oracle.interface.into_files import score_into

    given = chosen.given | computing.given
    choose_criteria(criteria or [])  # a slip in a name shows before a case is loaded
    case = which.load()
    place = run_file(case, "criteria.safetensors", out)
    done = score_into(case, place, criteria or [], **given, fill=fill)
    facts, name = done.facts, f"{case.name} seed {case.seed}"
    for lost, reason in facts["left_out_criteria"].items():
        told(f"left out: {lost}, which needs {reason}")
    if done.current:
        told(f"{name}: {place} is up to date")
    else:
        seconds = facts["shared"]["seconds"] + facts["fresh"]["seconds"]
        told(f"{name}: {len(facts['criteria'])} criteria in {seconds:.0f} s, in {place}")
    return Answer({"up to date": done.current, "file": place} | facts)


def trial(
    which: CaseOptions,
    chosen: ExampleOptions,
    computing: ComputingOptions,
    repeats: Annotated[int, number("--repeats", "COUNT", "Of every curve's points.")] = 10,
    coverage: Annotated[int, number("--coverage", "TWO_OR_MORE", "Estimated oracles for the coverage of intervals.")] = 200,
    turns: Annotated[int, number("--turns", "COUNT", "Of what is really timed.")] = 3,
    timed: Annotated[list[str] | None, option("Ingredients that are really timed (default all).")] = None,
    out: Annotated[Path | None, option("The file to write (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Try the estimated oracle against the whole one: how it ranks, how its intervals hold, how long it takes."""
    import numpy as np

    from pruning_oracle.bench.errors import unknown
    from pruning_oracle.bench.loading.choice import choice_from
    from pruning_oracle.bench.network.memory import bytes_of
    from pruning_oracle.bench.setting import Resources
    from pruning_oracle.oracle.trial.ingredients import INGREDIENTS
    from pruning_oracle.oracle.trial.trial import SHARES, run_trial

    for ingredient in timed or ():
        if ingredient not in INGREDIENTS:
            raise unknown("--timed", ingredient, INGREDIENTS)
    choice = choice_from(*chosen.given.values())
    resources = Resources(**computing.given | {"memory": bytes_of(computing.memory)})
    case = which.load()
    place = run_file(case, "estimated.json", out)
    found = run_trial(case, place, choice, resources, repeats, coverage, turns, tuple(timed or INGREDIENTS))
    told(f"{case.name} seed {case.seed}, in {place}")
    last = [row for row in found["curves"] if row["ingredients"] == list(INGREDIENTS)[-1]]
    for share in SHARES:
        reached = np.mean([row["sites"] for row in last if row["share"] == share])
        told(f"{share:.1%} of the pairs: Spearman with the whole oracle {reached:.3f}")
    for row in (*found["coverage"], *found["promises"]):
        told(str(row))
    return Answer({"file": place} | found)
