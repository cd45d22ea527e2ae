"""Commands about the sets that criteria would remove: what they cost on examples that nobody saw before."""

from pathlib import Path
from typing import Annotated

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions, ComputingOptions
from pruning_oracle.command_line.options import EXAMPLES, OUTPUT, RUNS, Fill, Runs, number, option

PANEL = "Compare"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "chosen-sets vgg-digits --examples 256", name="chosen-sets")(chosen_sets)
    command(app, PANEL, "quick-sets vgg-digits", name="quick-sets")(quick_sets)


def chosen_sets(
    which: CaseOptions,
    computing: ComputingOptions,
    examples: Annotated[
        int | None,
        number("--examples", "EXAMPLES", "How many others (default: as the oracle has).", EXAMPLES, show_default=False),
    ] = None,
    fill: Fill = "zero",
    runs: Runs = RUNS,
    out: Annotated[Path | None, option("The file of joint losses (default: the run's own).", OUTPUT)] = None,
) -> Answer:
    """Remove the sets that criteria and oracles of a measured run choose, and say what each costs, and its regret.

    Joint losses are measured on training examples that neither the oracle nor a criterion saw; sets.csv has them all.
    """
    from pruning_oracle.bench.runs import load as load_file
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface.chosen import chosen_sets as choose
    from pruning_oracle.interface.chosen import regrets
    from pruning_oracle.interface.into_files import joint_loss_into
    from pruning_oracle.interface.joint import KIND, read_joint
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.pruning.run import usual_settings
    from pruning_oracle.reports.sets.table import unseen, wide, write_sets

    given = computing.given
    case = which.load()
    truth, guesses = read_run(case, runs)
    rows = unseen(case.name, len(case.train), truth.file, guesses.file, examples)
    sets = choose(truth, guesses, flops_lambda=usual_settings(case).flops_lambda)
    folder = runs / case.name / str(case.seed)
    place = out or folder / "chosen-sets.safetensors"
    done = joint_loss_into(case, place, [one.maps for one in sets], rows=rows, fill=fill, **given)
    table = regrets(sets, read_joint(load_file(place, KIND)))
    write_sets(folder / "sets.csv", table, case.name, case.seed)
    name = f"{case.name} seed {case.seed}"
    made = "up to date" if done.current else f"measured in {done.facts['seconds']:.0f} s"
    told(f"{name}: {len(sets)} sets on {len(rows)} examples that nobody saw, {made}, in {place} and {folder / 'sets.csv'}")
    print_table(wide(table), "joint loss in nats when a share of the maps goes, of each site or of all (scaling)")
    return Answer({"file": place, "table": folder / "sets.csv", "sets": table.to_dict("records")})


def quick_sets(which: CaseOptions, computing: ComputingOptions, runs: Runs = RUNS) -> Answer:
    """Remove a quarter of each site by every criterion and oracle of a measured run, on at most 128 examples that nobody saw.

    The run's own fill stands in their place. `compare` does this for every run, and `regress` holds criteria to it. It does
    nothing where no three are left.
    """
    from pruning_oracle.interface.into_files import joint_loss_into
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.reports.inputs.read import fill_of, read_shown_run
    from pruning_oracle.reports.sets import quick
    from pruning_oracle.reports.sets.table import LEAST, left_over, unseen

    case = which.load()
    truth, guesses = read_run(case, runs)
    name, folder = f"{case.name} seed {case.seed}", runs / case.name / str(case.seed)
    left = len(left_over(len(case.train), truth.file, guesses.file))
    if left < LEAST:
        told(f"{name}: oracle and criteria saw all but {left} of {len(case.train)} examples: no sets are tried")
        return Answer()
    run = read_shown_run(case.name, case.seed, runs)
    rows = unseen(case.name, len(case.train), truth.file, guesses.file, min(left, quick.EXAMPLES))
    sets = [one.maps for one in quick.quick_sets(run, list(truth.sites))]
    fill = fill_of(truth.file)["name"]
    done = joint_loss_into(case, folder / quick.FILE, sets, rows=rows, fill=fill, **computing.given)
    found = quick.read_quick(run, folder)
    assert found
    made = "up to date" if done.current else f"measured in {done.facts['seconds']:.0f} s"
    told(f"{name}: a quarter of each site by {len(sets)} choosers, on {len(rows)} examples that nobody saw, {made}")
    return Answer({"file": folder / quick.FILE, "sets": found.table.to_dict("records")})
