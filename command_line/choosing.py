"""The command about the sets that criteria would remove: what they cost on examples that nobody saw before."""

from pathlib import Path
from typing import Annotated

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions, ComputingOptions, RepairOptions
from pruning_oracle.command_line.options import EXAMPLES, OUTPUT, RUNS, Runs, number, option

PANEL = "Compare"


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    command(
        app, PANEL, "chosen-sets vgg-digits --examples 256", "chosen-sets resnet-digits --repair batchnorm", name="chosen-sets"
    )(chosen_sets)


def chosen_sets(
    which: CaseOptions,
    computing: ComputingOptions,
    repair: RepairOptions,
    examples: Annotated[
        int | None,
        number("--examples", "EXAMPLES", "How many others (default: as the oracle has).", EXAMPLES, show_default=False),
    ] = None,
    runs: Runs = RUNS,
    out: Annotated[Path | None, option("The file of joint losses (default: the run's own).", OUTPUT)] = None,
) -> Answer:
    """Remove the sets that criteria and oracles of a measured run choose, and say what each costs, and its regret.

    Joint losses are measured on training examples that neither the oracle nor a criterion saw; sets.csv has them all, with
    --repair before and after it.
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

    given = computing.given | repair.given
    case = which.load()
    truth, guesses = read_run(case, runs)
    rows = unseen(case.name, len(case.train), truth.file, guesses.file, examples)
    sets = choose(truth, guesses, flops_lambda=usual_settings(case).flops_lambda)
    folder = runs / case.name / str(case.seed)
    place = out or folder / "chosen-sets.safetensors"
    done = joint_loss_into(case, place, [one.maps for one in sets], rows=rows, **given)
    table = regrets(sets, read_joint(load_file(place, KIND)))
    write_sets(folder / "sets.csv", table, case.name, case.seed)
    name = f"{case.name} seed {case.seed}"
    made = "up to date" if done.current else f"measured in {done.facts['seconds']:.0f} s"
    told(f"{name}: {len(sets)} sets on {len(rows)} examples that nobody saw, {made}, in {place} and {folder / 'sets.csv'}")
    for mended, part in table.groupby("repair", sort=False):
        after = "" if mended == "none" else f", after the repair {mended}"
        print_table(wide(part), f"joint loss in nats when a share of the maps goes, of each site or of all (scaling){after}")
    return Answer({"file": place, "table": folder / "sets.csv", "sets": table.to_dict("records")})
