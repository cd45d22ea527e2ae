"""Commands that study sets of maps of measured runs: how scores rank random sets, which sites are sensitive, what foretells."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions, CasesOptions, ComputingOptions, RunsOptions
from pruning_oracle.command_line.options import EXAMPLES, OUTPUT, REPORT, RUNS, Device, ReportFolder, Runs, number, option

if TYPE_CHECKING:
    from pruning_oracle.bench.case import Case
    from pruning_oracle.interface.joint import JointLosses

PANEL = "Sets of maps"


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "reference-sets vgg-digits --examples 256", name="reference-sets")(reference_sets)
    sensitive = [
        "layer-sensitivity vgg-digits --examples 256",
        "layer-sensitivity vgg-digits --by taylor random --shares 0.25 0.5",
    ]
    command(app, PANEL, *sensitive, name="layer-sensitivity")(layer_sensitivity)
    command(app, PANEL, "sets-study vgg-digits resnet-digits --seeds 0 1 2", name="sets-study")(sets_study)
    command(app, PANEL, "foretell vgg-digits resnet-digits --seeds 0 1 2")(foretell)


@dataclass(frozen=True)
class UnseenOptions:
    """On how many examples that nobody saw, of which run, and into which file of joint losses."""

    examples: Annotated[
        int | None,
        number("--examples", "EXAMPLES", "How many others (default: as the oracle has).", EXAMPLES, show_default=False),
    ] = None
    runs: Runs = RUNS
    out: Annotated[Path | None, option("The file of joint losses (default: the run's own).", OUTPUT)] = None

    def folder(self, case: "Case") -> Path:
        """Where the run's files are."""
        return self.runs / case.name / str(case.seed)

    def measure(self, case: "Case", sets: list[Any], file: str, rows: list[int], given: dict[str, Any]) -> "JointLosses":
        """The joint losses of sets on rows of the training set, in the file of that name; says how it went."""
        from pruning_oracle.bench.runs import load as load_file
        from pruning_oracle.interface.into_files import joint_loss_into
        from pruning_oracle.interface.joint import KIND, read_joint

        place = self.out or self.folder(case) / file
        done = joint_loss_into(case, place, [one.maps for one in sets], rows=rows, **given)
        made = "up to date" if done.current else f"measured in {done.facts['seconds']:.0f} s"
        told(f"{case.name} seed {case.seed}: {len(sets)} sets on {len(rows)} examples that nobody saw, {made}, in {place}")
        return read_joint(load_file(place, KIND))


def reference_sets(
    which: CaseOptions,
    computing: ComputingOptions,
    unseen: UnseenOptions,
    sets: Annotated[int, number("--sets", "REFERENCE_SETS", "How many for each share, 2, 5, 10 and 20 % of all maps.")] = 100,
    draw_seed: Annotated[int, number("--draw-seed", "SEED", "What they are drawn from.")] = 0,
) -> Answer:
    """Remove random sets, and say how well summed scores rank their joint losses, and how far changes are from adding.

    Joint losses are measured on training examples that neither the oracle nor a criterion of the run saw. reference-sets.csv
    has the linear datamodeling score of every criterion and oracle, additivity.csv joint losses beside sums of single changes.
    """
    from pruning_oracle.bench.runs.kinds import ADDITIVITY, DATAMODELING
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface import reference
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.reports.sets import shown, table

    given, case = computing.given, which.load()
    drawn = reference.reference_sets(case, sets, seed=draw_seed)
    truth, guesses = read_run(case, unseen.runs)
    rows = table.unseen(case.name, len(case.train), truth.file, guesses.file, unseen.examples)
    losses = unseen.measure(case, drawn, "reference-sets.safetensors", rows, given)
    scores = reference.datamodeling_scores(truth, guesses, drawn, losses)
    added = reference.additivity(drawn, losses)
    places = [unseen.folder(case) / name for name in ("reference-sets.csv", "additivity.csv")]
    for place, found, kind in zip(places, (scores, added), (DATAMODELING, ADDITIVITY), strict=True):
        table.write_sets(place, found, case.name, case.seed, kind)
    print_table(shown.scores(scores), "linear datamodeling score: Spearman of summed scores with joint loss over random sets")
    print_table(shown.added(added), "joint loss and the sum of single changes, in nats; ratio with 95 % interval")
    told(f"tables: {places[0]} and {places[1]}")
    answer = {"file": losses.file.path, "tables": [str(place) for place in places]}
    return Answer(answer | {"scores": scores.to_dict("records"), "additivity": added.to_dict("records")})


def layer_sensitivity(
    which: CaseOptions,
    computing: ComputingOptions,
    unseen: UnseenOptions,
    by: Annotated[
        list[str] | None, option("Who chooses: criteria, oracles, all (default taylor, weight_l2, oracle_mean_abs, random).")
    ] = None,
    shares: Annotated[
        list[float] | None, number("--shares", "SHARE", "Of a site's maps that go (default 0.1 0.2 … 0.9).", show_default=False)
    ] = None,
) -> Answer:
    """Remove a growing share of each site's maps alone, the lowest by some choosers, and say what each costs.

    Joint losses are measured on training examples that neither the oracle nor a criterion of the run saw.
    layer-sensitivity.csv has them all; layer-sensitivity.png draws them.
    """
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.interface import sensitivity
    from pruning_oracle.interface.reading import read_run
    from pruning_oracle.reports.sets import shown, table
    from pruning_oracle.reports.sets.sensitivity import SHARES

    given, case = computing.given, which.load()
    truth, guesses = read_run(case, unseen.runs)
    rows = table.unseen(case.name, len(case.train), truth.file, guesses.file, unseen.examples)
    sets = sensitivity.sensitivity_sets(truth, guesses, by, shares or SHARES)
    losses = unseen.measure(case, sets, "layer-sensitivity.safetensors", rows, given)
    found = sensitivity.layer_sensitivity(sets, losses)
    place = found.save(unseen.folder(case) / "layer-sensitivity.csv")
    print_table(shown.sensitive(found.frame()), "joint loss in nats when a share of one site's maps goes, median over choosers")
    told(f"table and figure: {place} and {place.with_suffix('.png')}")
    answer = {"file": losses.file.path, "table": place, "figure": place.with_suffix(".png")}
    return Answer(answer | {"sensitivity": found.frame().to_dict("records")})


def sets_study(which: CasesOptions, device: Device = "auto", out: ReportFolder = REPORT) -> Answer:
    """Measure cases, all that is said of sets of their maps, and what foretells it; write the report and foretell.csv."""
    from pruning_oracle.pipeline import run
    from pruning_oracle.reports.report import write_page

    asked = which.request(device)
    run.study_sets(asked)
    names = list(asked.cases)
    answer = foretell(RunsOptions(names, which.seeds), out / "foretell.csv")  # which the page shows
    write_page(names, which.seeds, RUNS, out, asked.jobs)
    told(f"report: {out / 'index.html'}")
    return answer


def foretell(
    which: RunsOptions,
    out: Annotated[Path, option("The table to write.", OUTPUT, show_default=True)] = REPORT / "foretell.csv",
) -> Answer:
    """Say what foretells the cost of pruning: Kendall's τ over criteria of agreement, LDS and joint loss with what came of it.

    It reads the oracle and criteria of runs, what chosen-sets and reference-sets wrote beside them, and, where they are there,
    what layer-sensitivity --by all wrote and the runs of make prune.
    """
    import pandas as pd

    from pruning_oracle.bench import runs
    from pruning_oracle.bench.runs.kinds import FORETOLD
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.reports.inputs.tables import csv_text
    from pruning_oracle.reports.sets import foretelling, shown
    from pruning_oracle.reports.sets.figures import read_figures

    tables = [foretelling.foretell(case, read_figures(case, which.seeds, which.runs)) for case in which.names]
    whole = pd.concat(tables, ignore_index=True)
    runs.write_atomically(out, csv_text(whole), FORETOLD)
    for case, table in zip(which.names, tables, strict=True):
        title = f"{case}, seeds {which.seeds}: Kendall's τ over {table.criteria.max()} criteria with what pruning by them costs"
        print_table(shown.foretold(table), title, shown.best(table))
    told(f"table: {out}")
    return Answer({"table": out, "foretold": whole.to_dict("records")})
