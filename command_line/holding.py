"""Commands that hold criteria to what they reached: baselines, how often they alarm, and a combination's weights."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pruning_oracle.command_line.command import Answer, command, told
from pruning_oracle.command_line.groups import CasesOptions, RunsOptions
from pruning_oracle.command_line.options import OUTPUT, RUNS, Device, Runs, number, option, switch

PANEL = "Hold criteria to what they reached"
Baselines = Annotated[Path | None, option("The folder of the baselines (default: the suite's).", OUTPUT)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    command(app, PANEL, "regress vgg-digits --seeds 0 1 2")(regress)
    command(app, PANEL, 'accept vgg-digits --seeds 0 1 2 --reason "exact gradients"')(accept)
    command(app, PANEL, "false-alarms vgg-digits --seeds 0 1 2", name="false-alarms")(false_alarms)
    command(app, PANEL, "fit cnn3-cifar10 resnet20-cifar10")(fit)


def regress(
    which: CasesOptions,
    criteria: Annotated[list[str] | None, option("Names or .py files, beside all of the suite's.")] = None,
    measured: Annotated[bool, switch("--measured", "Hold what is measured already: measure nothing.")] = False,
    runs: Runs = RUNS,
    baselines: Baselines = None,
    device: Device = "auto",
) -> Answer:
    """Measure cases and hold every criterion to its baselines; the exit status is 1 if one agrees less than it did."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.reports.regression import baseline
    from pruning_oracle.reports.regression import regress as regression

    names = _measured(which, criteria, measured, device)
    folder = baselines or baseline.FOLDER
    without = [case for case in names if not baseline.path(case, folder).is_file()]
    if without:
        raise BadInput(f"{folder} holds no baseline of {', '.join(without)}: accept one with {baseline.ACCEPT}")
    every = [regression.measured_figures(case, which.seeds, runs) for case in names]
    findings = [finding for figures in every for finding in regression.findings(figures, folder)]
    passed = regression.print_findings(findings)
    rows = [{"line": finding.line, "verdict": finding.verdict, "fails": finding.fails} for finding in findings]
    return Answer({"passed": passed, "findings": rows}, 0 if passed else 1)


def accept(
    which: CasesOptions,
    reason: Annotated[str, option("Why the new figures are right.")] = "",
    criteria: Annotated[list[str] | None, option("Names or .py files, beside all of the suite's.")] = None,
    measured: Annotated[bool, switch("--measured", "Accept what is measured already: measure nothing.")] = False,
    runs: Runs = RUNS,
    baselines: Baselines = None,
    device: Device = "auto",
) -> Answer:
    """Make what is measured the new baselines, for a reason, and print what that changes."""
    from pruning_oracle.bench.errors import BadInput
    from pruning_oracle.command_line.printed import print_table
    from pruning_oracle.reports.regression import baseline, shipped_oracles
    from pruning_oracle.reports.regression import regress as regression

    if not reason.strip():
        raise BadInput('a new baseline needs a reason: --reason "why" (make regress-accept REASON="why")')
    folder = baseline.folder_to_write(_names(which), baselines)
    accepted = {}
    for case in _measured(which, criteria, measured, device):
        figures = regression.measured_figures(case, which.seeds, runs)
        changes = regression.accept(figures, folder, reason)
        told(f"{case}: {len(changes)} figures accepted, in {baseline.path(case, folder)}")
        if changes:
            print_table(regression.changes_table(changes))
        for seed in shipped_oracles.renew_beside(figures.runs, folder):
            told(f"{case}: the oracle of seed {seed} ships anew, in {shipped_oracles.FOLDER}")
        accepted[case] = len(changes)
    return Answer({"accepted": accepted, "folder": folder})


def _names(which: CasesOptions) -> list[str]:
    """The names of the runs, before anything is measured."""
    return list(which.request("cpu").cases)


def _measured(which: CasesOptions, criteria: list[str] | None, measured: bool, device: str) -> list[str]:
    """The names of the runs, which are measured by all criteria unless they are `measured` already."""
    if not measured:
        from pruning_oracle.pipeline import run

        run.measure(which.request(device, criteria), "all")
    return _names(which)


def false_alarms(
    which: RunsOptions,
    splits: Annotated[int, number("--splits", "COUNT", "How often examples are split in halves.")] = 20,
) -> Answer:
    """Say how often a criterion is found worse than itself on other examples."""
    from pruning_oracle.reports.regression import regress as regression
    from pruning_oracle.reports.regression import significance
    from pruning_oracle.reports.regression.false_alarms import false_alarms as counted

    names = which.names
    found = counted([regression.measured_figures(case, which.seeds, which.runs).runs for case in names], splits)
    every = found["comparisons"]
    told(f"{every} comparisons of a criterion with itself on other examples, {splits} splits of {', '.join(names)}:")
    for verdict in (significance.WORSE, significance.BETTER):
        share, nominal = 100 * found[verdict] / every, 100 * significance.LEVEL
        told(f"found {verdict}: {found[verdict]}, {share:.2f} % (nominal {nominal:.2g} %)")
    return Answer(dict(found))


def fit(which: RunsOptions) -> Answer:
    """Fit the weights of the criterion weighted_rank to the oracles of cases, and print them as JSON."""
    from pruning_oracle.reports.agreement.fit import fit_weights
    from pruning_oracle.reports.inputs.read import read_run

    fitted = fit_weights({case: [read_run(case, seed, which.runs) for seed in which.seeds] for case in which.names})
    print(json.dumps(fitted))
    return Answer(fitted)
