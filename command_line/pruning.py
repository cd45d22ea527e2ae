"""Commands that use it all: prune a case, and export, time, retrain and study what is left."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CaseOptions, CasesOptions, RunsOptions, run_file
from pruning_oracle.command_line.options import (
    COMPUTING,
    OUTPUT,
    REPORT,
    RUNS,
    Device,
    Network,
    ReportFolder,
    Source,
    number,
    option,
    switch,
)

PANEL = "Prune"
LEARNING = "Fine-tuning (default: the case's own settings)"
Precision = Annotated[str, option("float64, float32 or tf32 (on an NVIDIA GPU).", COMPUTING, show_default=True)]
File = Annotated[Path | None, option("The file to write (default: beside the network).", OUTPUT)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "prune vgg-digits --criterion taylor --target maps=0.3", "prune mine.py --target accuracy=-0.02")(prune)
    command(app, PANEL, "export runs/vgg-digits/0/pruning/taylor.network --out small.onnx")(export)
    command(app, PANEL, "latency runs/vgg-digits/0/pruning/taylor.network")(latency)
    command(app, PANEL, "scratch runs/vgg-digits/0/pruning/taylor.network")(scratch)
    command(app, PANEL, "survival vgg-digits --each 3")(survival)
    command(app, PANEL, "pruning-study vgg-digits --small", name="pruning-study")(pruning_study)
    command(app, PANEL, "pruning-report vgg-digits --seeds 0 1 2", name="pruning-report")(pruning_report)


def optional(name: str, bounds: str, text: str) -> Any:
    """A number that the case's own settings give where it is left out."""
    return number(name, bounds, text, LEARNING, show_default=False)


def prune(
    which: CaseOptions,
    criterion: Annotated[str, option("A name, a .py file with one, oracle_abs or oracle_loss.", show_default=True)] = "taylor",
    target: Annotated[
        str | None, option("When to stop: maps=0.3, flops=0.1, parameters=0.2 or accuracy=-0.025.", metavar="TARGET")
    ] = None,
    scaling: Annotated[str | None, option("Of scores within each site: none, l1, l2 or rank (default l2).")] = None,
    flops_lambda: Annotated[
        float | None, number("--flops-lambda", "PRICE", "Less this per MFLOP of a map.", show_default=False)
    ] = None,
    remove: Annotated[int | None, number("--remove", "COUNT", "Maps at a time.", show_default=False)] = None,
    examples: Annotated[
        int | None, number("--examples", "UPDATES", "Score by passes of their own over so many examples.", show_default=False)
    ] = None,
    tested: Annotated[
        int | None, number("--tested", "UPDATES", "Test examples that judge every step.", show_default=False)
    ] = None,
    again: Annotated[
        int | None, number("--again", "COUNT", "Measure an oracle anew every so many removals.", show_default=False)
    ] = None,
    repair: Annotated[
        str | None, option("After every removal, without learning: none, bias, batchnorm or both (default none).")
    ] = None,
    repair_examples: Annotated[
        int | None,
        number("--repair-examples", "EXAMPLES", "Training examples set aside for that (default 256).", show_default=False),
    ] = None,
    updates: Annotated[int | None, optional("--updates", "UPDATES", "Of learning between two removals.")] = None,
    final_updates: Annotated[int | None, optional("--final-updates", "UPDATES", "Of learning at the end.")] = None,
    rate: Annotated[float | None, optional("--rate", "RATE_OR_NONE", "Learning rate of SGD.")] = None,
    momentum: Annotated[float | None, optional("--momentum", "MOMENTUM", "Of SGD (default 0.9).")] = None,
    weight_decay: Annotated[float | None, optional("--weight-decay", "WEIGHT_DECAY", "Of SGD (default 1e-4).")] = None,
    batch: Annotated[int | None, optional("--batch", "BATCH", "Examples per update.")] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    keep: Annotated[
        float | None,
        number("--keep", "SECONDS", "Seconds of work after which the state is saved (default 30).", OUTPUT, show_default=False),
    ] = None,
    run_name: Annotated[str | None, option("Of the run's files (default: its criterion and settings).", OUTPUT)] = None,
    out: Annotated[Path | None, option("The folder to write to (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Prune a case: rank its maps, delete the least important, fine-tune, repeat, down to a physically smaller network."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.interface.into_files import outcome_of, prune_into

    given = {"target": target, "scaling": scaling, "flops_lambda": flops_lambda, "remove": remove, "examples": examples}
    given |= {"tested": tested, "again": again, "updates": updates, "final_updates": final_updates, "rate": rate}
    given |= {"momentum": momentum, "weight_decay": weight_decay, "batch": batch}
    given |= {"repair": repair, "repair_examples": repair_examples}
    done = prune_into(which.load, out, run_name, criterion, given, device=device, precision=precision, keep=keep)
    facts, name = done.facts, f"{done.facts['case']} seed {done.facts['seed']}"
    if done.current:
        told(f"{name}: {done.out} is up to date")
        return Answer({"up to date": True, "file": done.out} | facts)
    for left in facts["uncut"]:
        told(f"{name}: site {left['convolution']!r} keeps its {left['maps']} maps: {left['reason']}")
    for left in facts["uncarried"]:
        told(f"{name}: site {left['convolution']!r}: means of {left['maps']} maps are not carried: {left['reason']}")
    told(f"{name}: {outcome_of(facts)}, in {done.out}")
    told(f"the network: pruning-oracle export {shlex.quote(str(done.out.with_suffix('.network')))} makes ONNX of it")
    if facts["why"]:
        raise BadInput(f"{facts['why']}; the last good network is kept in {done.out.with_suffix('.network')}")
    return Answer({"up to date": False, "file": done.out} | facts)


def export(network: Network, source: Source = None, out: File = None) -> Answer:
    """Export a pruned network to ONNX, for any number of examples, and check that onnxruntime gives torch's outputs."""
    from pruning_oracle.pruning.export import export_network

    case, path, worst = export_network(network, out, source)
    told(f"{case.name} seed {case.seed}: {path}; onnxruntime gives torch's outputs up to {worst:.1g} of the largest")
    return Answer({"file": path, "largest difference": worst})


def latency(network: Network, source: Source = None, device: Device = "auto", out: File = None) -> Answer:
    """Time a pruned network and the whole one: forward passes of 1, 16 and 128 examples, by torch, compiled and in ONNX."""
    from pruning_oracle.pruning.latency import latency_lines, run_latency

    told("timing both networks by turns, in three ways: about a minute")
    done = run_latency(network, out, source, device)
    facts = done.facts
    ratio = facts["whole"]["flops"] / facts["pruned"]["flops"]
    told(f"{facts['case']} seed {facts['seed']}: {ratio:.1f} times fewer FLOPs; {facts['device']}, {facts['threads']} threads")
    for line in latency_lines(facts["rows"]):
        told(line)
    return Answer({"file": done.out} | facts)


def scratch(network: Network, source: Source = None, out: File = None) -> Answer:
    """Train a pruned network's architecture from new random weights by the case's own recipe, as a control for pruning."""
    from pruning_oracle.bench.scores import shown
    from pruning_oracle.pruning.scratch import run_scratch

    done = run_scratch(network, out, source)
    facts, name = done.facts, f"{done.facts['case']} seed {done.facts['seed']}"
    pruned, anew = (shown(facts[of]["accuracy"], ".4f") for of in ("pruned", "scratch"))
    told(
        f"{name}: {done.out} is up to date"
        if done.current
        else f"{name}: accuracy {pruned} pruned, {anew} trained from nothing, in {done.out}"
    )
    return Answer({"up to date": done.current, "file": done.out} | facts)


def survival(
    which: CaseOptions,
    each: Annotated[int, number("--each", "COUNT", "Subsets of every share and kind.")] = 3,
    updates: Annotated[int, number("--updates", "UPDATES", "Of retraining.")] = 60,
    rate: Annotated[float, number("--rate", "RATE_OR_NONE", "Learning rate.")] = 3e-3,
    batch: Annotated[int, number("--batch", "BATCH", "Examples per update.")] = 32,
    shares: Annotated[str, option("Of all maps that subsets hold, such as 0.1,0.2.", show_default=True)] = "0.2,0.4,0.6",
    examples: Annotated[
        int, number("--examples", "UPDATES", "Training examples for the losses before, at most the case's number (0: all).")
    ] = 0,
    tested: Annotated[int, number("--tested", "UPDATES", "Test examples that judge every subset (0: all).")] = 0,
    device: Device = "auto",
    precision: Precision = "float32",
    out: Annotated[Path | None, option("The file to write (default: the run's own under runs/).", OUTPUT)] = None,
) -> Answer:
    """Test whether the loss right after deleting many subsets of maps predicts accuracy and loss after retraining."""
    from pruning_oracle.bench.pruning_settings import PruningSettings
    from pruning_oracle.pruning.survival import run_survival

    settings = PruningSettings(updates=updates, rate=rate, batch=batch, seed=which.seed, examples=examples, tested=tested)
    case = which.load()
    place = run_file(case, "pruning/subsets.survival", out)
    done = run_survival(case, place, each, settings, device, precision, shares)
    retrained = f"{len(done.facts['rows'])} subsets pruned and retrained, in {place}"
    told(f"{case.name} seed {case.seed}: {f'{place} is up to date' if done.current else retrained}")
    return Answer({"up to date": done.current, "file": place} | done.facts)


def pruning_study(
    which: CasesOptions,
    small: Annotated[bool, switch("--small", "Only two rankings.")] = False,
    more: Annotated[bool, switch("--more", "Also how far it goes, without learning, and by numbers of updates.")] = False,
    timings: Annotated[bool, switch("--timings", "Time the networks that --more made, instead of pruning.")] = False,
    device: Device = "auto",
    out: ReportFolder = REPORT,
) -> Answer:
    """Prune several cases and seeds by several criteria, and show the curves on the report's page."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.pipeline import run

    if small + more + timings > 1:
        raise BadInput("--small, --more and --timings are three different studies: give one")
    asked = which.request(device)
    if timings:
        run.time_networks(asked)
    else:
        run.prune(asked, small, more)
    return _reported(list(asked.cases), which.seeds, RUNS, out)


def pruning_report(which: RunsOptions, out: ReportFolder = REPORT) -> Answer:
    """Print what pruning runs came to, and show them on the report's page, index.html."""
    return _reported(which.names, which.seeds, which.runs, out)


def _reported(cases: list[str], seeds: list[int], runs: Path, out: Path) -> Answer:
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.reports.inputs import pruning_runs
    from pruning_oracle.reports.report import write_page
    from pruning_oracle.reports.sections import curves
    from pruning_oracle.reports.sections import latency as of_latency

    known = [pruning_runs.read_studies(case, seeds, runs) for case in cases]
    write_page([case for case in cases if _graded(case, seeds, runs)], seeds, runs, out, pruned=cases)
    page = out / "index.html"
    tables: dict[str, Any] = {}
    for found in (found for studies in known for found in studies):
        table = curves.table(found)
        print_table(table, f"{found.case}, {found.folder}: {found.said}")
        tables[f"{found.case}, {found.folder}"] = table.to_dict("records")
        timed = of_latency.section(found)
        if timed and timed.table is not None:
            print_table(timed.table)
    told(f"report: {page}#pruning")
    return Answer({"report": page, "tables": tables})


def _graded(case: str, seeds: list[int], runs: Path) -> bool:
    """Whether a case was measured at all seeds, so that the page can show its criteria beside its pruning runs; grades it."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.bench.runs import folder
    from pruning_oracle.reports.report import grade_run

    measured = all(
        (folder(case, seed, runs) / f"{kind}.safetensors").is_file() for seed in seeds for kind in ("oracle", "criteria")
    )
    try:
        for seed in seeds if measured else ():
            grade_run(case, seed, runs)
    except BadInput as error:
        told(f"{case}: its agreement is left out of the page: {error}")
        return False
    return measured
