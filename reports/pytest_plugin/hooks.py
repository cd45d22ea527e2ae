"""The plugin's hooks for a session with a file of criteria: plan it, add its tests, share its work, print its findings."""

import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.bounds import EXAMPLES, SEED, Bounds
from pruning_oracle.bench.runs.options import each_once
from pruning_oracle.reports.pytest_plugin.items import PLAN, SAID, CriteriaFile, SessionPlan
from pruning_oracle.reports.pytest_plugin.options import OPTION, OPTIONS


def pytest_configure(config: pytest.Config) -> None:
    """Stores the plan of the session; raises pytest.UsageError for a mistake in the options."""
    file, reason = _file(config), _reason(config)
    seeds, examples = _numbers(config, "seeds", SEED), _numbers(config, "examples", EXAMPLES)
    worker, baselines = getattr(config, "workerinput", None), _option(config, "baselines")
    folder = Path(worker[SAID] if worker else tempfile.mkdtemp(prefix="pruning-oracle-"))
    config.stash[PLAN] = SessionPlan(
        criteria=file,
        cases=(_option(config, "cases") or "").split(),
        seeds=seeds,
        examples=examples[0] if examples else None,
        baselines=Path(config.invocation_params.dir, baselines) if baselines else file.with_suffix(".baselines"),
        reason=reason,
        how=_how(config),
        cache=config.cache.mkdir("pruning-oracle") if config.cache else folder / "oracles",
        folder=folder,
        workers=worker["workercount"] if worker else 1,
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells each process of pytest-xdist the folder of this session's runs."""
    node.workerinput[SAID] = str(node.config.stash[PLAN].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Deletes the folder of this session's runs; measured oracles stay in pytest's cache."""
    if PLAN in config.stash and getattr(config, "workerinput", None) is None:
        shutil.rmtree(config.stash[PLAN].folder, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    """The header line that says what will be measured."""
    plan = config.stash[PLAN]
    what = f"{plan.criteria.name} on {', '.join(plan.cases)}, seeds {', '.join(map(str, plan.seeds))}"
    return f"pruning-oracle: {what}; oracles that do not ship are kept in {plan.cache}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Adds the tests of the file of criteria, before options such as -k select among all tests."""
    file = CriteriaFile.from_parent(session, path=config.stash[PLAN].criteria)
    report = file.ihook.pytest_make_collect_report(collector=file)
    file.ihook.pytest_collectreport(report=report)  # counts the tests, or ends the session with the error in the file
    items.extend(report.result)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints a line for every figure that was compared, and for every oracle that had to be measured."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    said = {line for report in reports for name, line in getattr(report, "user_properties", ()) if name == SAID}
    if said:
        terminalreporter.section("pruning-oracle")
    for line in sorted(said):
        terminalreporter.write_line(line)


def _option(config: pytest.Config, name: str) -> str | None:
    found: str | None = config.getoption(OPTION + name)
    return found


def _file(config: pytest.Config) -> Path:
    given = _option(config, "criteria") or ""
    file = Path(config.invocation_params.dir, given).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise pytest.UsageError(f"{OPTION}criteria is {given}: there is no such .py file")
    return file


def _numbers(config: pytest.Config, name: str, bounds: Bounds) -> list[int]:
    try:
        found = [bounds.read(OPTION + name, word) for word in (_option(config, name) or "").split()]
        each_once(OPTION + name, found)
    except BadInput as error:
        raise pytest.UsageError(str(error)) from error
    return found


def _reason(config: pytest.Config) -> str | None:
    reason = _option(config, "accept")
    if reason is not None and not reason.strip():
        raise pytest.UsageError(f"{OPTION}accept is empty: a new baseline needs a reason")
    return reason


def _how(config: pytest.Config) -> str:
    """The command that would accept this session's measurements as new baselines."""
    given = {name: value for name in OPTIONS if name != "accept" and (value := _option(config, name)) != OPTIONS[name][1]}
    words = [word for name, value in given.items() for word in (OPTION + name, value or "")]
    return f'pytest {shlex.join(words)} {OPTION}accept "why"'
