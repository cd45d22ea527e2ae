"""The commands that study sets of a measured run: better ones than criteria choose, and interactions of pairs."""

from typing import Annotated, Any

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions, ComputingOptions
from pruning_oracle.command_line.options import EXAMPLES, RUNS, Runs, number

PANEL = "Sets of maps"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "better-sets vgg-digits", "better-sets resnet-digits --examples 128", name="better-sets")(better_sets)
    command(app, PANEL, "interactions vgg-digits --pairs 200 --examples 64")(interactions)


def better_sets(
    which: CaseOptions,
    computing: ComputingOptions,
    shares: Annotated[
        list[float] | None,
        number("--shares", "SHARE", "Of the maps (default: all of chosen-sets).", show_default=False),
    ] = None,
    examples: Annotated[int, number("--examples", "EXAMPLES", "How many of the oracle's own choose.", EXAMPLES)] = 64,
    orders: Annotated[int, number("--orders", "TWO_OR_MORE", "Random orders for Shapley values.")] = 16,
    step: Annotated[float, number("--step", "SHARE", "Of the maps that go before the greedy oracle is measured anew.")] = 0.05,
    runs: Runs = RUNS,
) -> Answer:
    """Say how good a set can be: greedy removals, Shapley values, pairs, and the oracle in other reductions.

    They choose on the oracle's own examples, and are judged where `chosen-sets` has measured the sets of criteria, on others;
    better-sets.csv has them all, shapley.csv the maps.
    """
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.runs import load as load_file
    from pruning_oracle.bench.runs.kinds import SHAPLEY
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface.better import better_sets as better
    from pruning_oracle.interface.chosen import chosen_sets as choose
    from pruning_oracle.interface.joint import KIND, read_joint
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.pruning.run import usual_settings
    from pruning_oracle.reports.sets.better import summary
    from pruning_oracle.reports.sets.chosen import SHARES
    from pruning_oracle.reports.sets.table import write_sets

    given = computing.given
    case = which.load()
    truth, guesses = read_run(case, runs)
    folder = runs / case.name / str(case.seed)
    chosen = folder / "chosen-sets.safetensors"
    if not chosen.is_file():
        raise BadInput(f"no chosen sets at {chosen}: `pruning-oracle chosen-sets {case.source}` measures them")
    losses = read_joint(load_file(chosen, KIND))
    every = choose(truth, guesses, flops_lambda=usual_settings(case).flops_lambda)
    sets = [one for one in every if not shares or one.share in shares]
    if missing := set(shares or ()) - {one.share for one in sets}:
        raise BadInput(f"--shares {min(missing):g}: chosen-sets measures sets of {', '.join(map(str, SHARES))} of the maps")
    asked: dict[str, Any] = {"examples": examples, "orders": orders, "step": step}
    found = better(case, truth, guesses, sets, losses, folder=folder, **asked, **given)
    write_sets(folder / "better-sets.csv", found.table, case.name, case.seed)
    write_sets(folder / "shapley.csv", found.shapley, case.name, case.seed, SHAPLEY)
    where = f"{folder / 'better-sets.csv'} and {folder / 'shapley.csv'}"
    told(f"{case.name} seed {case.seed}: {len(found.table)} sets, measured in {found.seconds:.0f} s, in {where}")
    print_table(summary(found.table), "joint loss in nats: the best criterion's set, and the best set known")
    facts = {"table": folder / "better-sets.csv", "shapley": folder / "shapley.csv", "seconds": found.seconds}
    return Answer(facts | {"sets": found.table.to_dict("records")})


def interactions(
    which: CaseOptions,
    computing: ComputingOptions,
    pairs: Annotated[int, number("--pairs", "COUNT", "About how many are drawn.")] = 500,
    random: Annotated[int, number("--random", "TWO_OR_MORE", "Random sets of 5, 10 and 20 % of the maps, of each.")] = 30,
    examples: Annotated[
        int | None,
        number("--examples", "EXAMPLES", "How many unseen ones (default: as the oracle has).", EXAMPLES, show_default=False),
    ] = None,
    curved: Annotated[int, number("--curved", "EXAMPLES", "How many for curvature and for the draw.", EXAMPLES)] = 64,
    runs: Runs = RUNS,
) -> Answer:
    """Measure what pairs of maps cost beyond what each costs alone, within sites and across them, and how curvature ranks that.

    interactions.csv has the pairs, adding.csv what of random sets' joint loss single maps and pairs explain,
    interaction-grades.csv the agreement of curvature, interactions.png a heat map, site by site.
    """
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface.interactions import interactions as measure
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.reports.sets.table import adding_texts, grades_texts, write_interactions

    given = computing.given
    case = which.load()
    truth, guesses = read_run(case, runs)
    folder = runs / case.name / str(case.seed)
    asked: dict[str, Any] = {"examples": examples, "pairs": pairs, "sets": random, "curved": curved}
    found = measure(case, truth, guesses, folder=folder, **asked, **given)
    tables = {"interactions": found.table, "adding": found.adding, "interaction-grades": found.grades}
    write_interactions(folder, tables, case.name, case.seed, found.plot())
    told(f"{found.caption}, measured in {found.seconds:.0f} s, in {folder / 'interactions.csv'}")
    print_table(adding_texts(found.adding), "joint loss of random sets in nats, and what explains it")
    print_table(grades_texts(found.grades), "Spearman of curvature with measured interactions")
    facts = {"table": folder / "interactions.csv", "figure": folder / "interactions.png", "seconds": found.seconds}
    return Answer(facts | {name: table.to_dict("records") for name, table in tables.items() if name != "interactions"})
