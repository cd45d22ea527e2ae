"""Prunes a case: deletes its least important maps step by step, with fine-tuning, down to a physically smaller network."""

import argparse
import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.command import TESTED, case_options, fingerprint, open_case
from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.loading import by_name
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.pruning_settings import PruningSettings, Target, default_settings
from pruning_oracle.bench.runs.bounds import BATCH, COUNT, MOMENTUM, PRICE, RATE_OR_NONE, UPDATES, WEIGHT_DECAY
from pruning_oracle.bench.runs.bounds import SECONDS as LONG
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.options import add_number
from pruning_oracle.bench.runs.resumable import SECONDS
from pruning_oracle.bench.scores import ORACLES, shown
from pruning_oracle.criteria.criterion import Criterion, choose_criteria, files_of
from pruning_oracle.criteria.evidence.collect import unavailable
from pruning_oracle.criteria.evidence.passes import slopeless
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import State
from pruning_oracle.pruning.loop.updates import LEARNT

KIND = "pruning"
SOURCES = ("pruning/loop/loop.py", "oracle/measure.py", "oracle/exact/replay.py")
USUAL = "(default: the case's own)"


def pruning_options() -> argparse.ArgumentParser:
    """The parser of the command; an option that is left out comes from the case's definition, or follows from its size."""
    parser = case_options("pruning", __doc__, LEARNT)
    by_name.add_options(parser)
    add, number = parser.add_argument, partial(add_number, parser)
    add("--criterion", help="a name, a .py file with one @criterion, or oracle_abs or oracle_loss (default taylor)")
    add("--scaling", help="of scores within each site: none, l1, l2 or rank (default l2)")
    number("--flops-lambda", PRICE, f"less this per MFLOP of a map {USUAL}")
    number("--remove", COUNT, f"maps at a time {USUAL}")
    number("--updates", UPDATES, f"of learning between two removals {USUAL}")
    target = f"when to stop: maps=0.3, flops=0.1, parameters=0.2 or accuracy=-0.025 {USUAL}"
    add("--target", type=Target.parse, help=target)
    number("--final-updates", UPDATES, f"of learning at the end {USUAL}")
    number("--rate", RATE_OR_NONE, f"learning rate {USUAL}")
    number("--momentum", MOMENTUM, "of SGD (default 0.9)")
    number("--weight-decay", WEIGHT_DECAY, "of SGD (default 1e-4)")
    number("--batch", BATCH, f"examples per update {USUAL}")
    number("--examples", UPDATES, "score by passes of their own over so many examples (default: by updates)")
    number("--tested", UPDATES, "test examples that judge every step (default: all)")
    number("--again", COUNT, "measure an oracle anew every so many removals (default 1)")
    keep = f"seconds of work, and a step, after which the state is saved (default {SECONDS:g})"
    number("--keep", LONG, keep, default=SECONDS)
    add("--run-name", help="of the run's files (default: its criterion and settings)")
    add("--out", type=Path, help="the folder to write to (default: the run's own under runs/)")
    return parser


def changes_of(given: argparse.Namespace, criterion: Criterion | None) -> dict[str, Any]:
    """The settings given on the command line, checked; a criterion from a file is named by its function, not by its file."""
    names = [setting.name for setting in dataclasses.fields(PruningSettings)]
    values = {name: value for name, value in vars(given).items() if name in names and value is not None}
    if criterion:
        values["criterion"] = criterion.name
    PruningSettings(**values)
    return values


def usual_of(given: argparse.Namespace, case: Case) -> PruningSettings:
    """The settings of the case for every option that the command line leaves out."""
    usual = find(given.case).pruning or default_settings(sum(site.maps for site in case.sites))
    return dataclasses.replace(usual, seed=given.seed)


def criterion_of(name: str) -> Criterion | None:
    """The criterion of that name, or in that .py file; None for an oracle. Raises BadInput unless there is exactly one."""
    if name in ORACLES:
        return None
    chosen = choose_criteria([name])
    if len(chosen) != 1:
        raise BadInput(f"--criterion {name} names {len(chosen)} criteria: give one")
    return chosen[0]


def check_fit(case: Case, criterion: Criterion) -> None:
    """Raises BadInput for a criterion that needs evidence which the case cannot give."""
    for need, reason in unavailable(case, criterion.needs).items():
        raise BadInput(f"{case.name}: criterion {criterion.name!r} is unavailable here, since it needs {need}: {reason}")


def check_learnable(case: Case, settings: PruningSettings) -> None:
    """Raises BadInput if the settings ask for fine-tuning and the case's loss has no gradient."""
    if (settings.updates or settings.final_updates) and (reason := slopeless(case)):
        raise BadInput(f"{case.name}: fine-tuning is impossible, since {reason}: give --updates 0 and --final-updates 0")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with `arguments`, by default those of the command line."""
    given = pruning_options().parse_args(arguments)
    given.case = by_name.case_line(given)
    criterion = criterion_of(PruningSettings.criterion if given.criterion is None else given.criterion)
    changes = changes_of(given, criterion)

    def out_of(case: Case) -> Path:
        usual = usual_of(given, case)
        name = given.run_name if given.run_name is not None else dataclasses.replace(usual, **changes).name(usual)
        checked_name("--run-name", name)
        return Path(given.out or runs.folder(case.name, case.seed) / "pruning") / f"{name}.safetensors"

    opened = open_case(
        given, SOURCES, out_of, runs.run_file(KIND), without=(), criteria=files_of([criterion] if criterion else [])
    )
    case, out = opened.case, opened.out
    runs.check_writable(out.with_suffix(".network"), runs.run_file(network_file.KIND))
    settings = dataclasses.replace(usual_of(given, case), **changes)
    if settings.tested > len(case.test):
        raise BadInput(f"--tested is {settings.tested}; {case.name} has {len(case.test)} test examples")
    case.split(settings.examples or None)  # BadInput if there are not so many
    check_learnable(case, settings)
    if criterion:
        check_fit(case, criterion)
    learnt = fingerprint(case.train, range(min(TESTED, len(case.train))))
    setting = opened.setting | {"settings": settings.facts, "data": learnt}
    keeper = StateFile(out, setting, given.keep)
    if runs.is_current(out, KIND, setting):
        keeper.path.unlink(missing_ok=True)  # of a run that was killed after its result was written
        print(f"{case.name} seed {case.seed}: {out} is up to date")
        return
    state = keeper.found(case)
    for left in state.pruned.uncut:
        print(f"{case.name} seed {case.seed}: site {left.convolution!r} keeps its {left.maps} maps: {left.reason}")
    with ProgressBar(case, settings, keeper) as shown:
        state = Loop(state, settings, criterion, shown).run()
    results = {
        "rows": state.rows,
        "sites": [site.name for site in state.pruned.whole.sites],
        "uncut": [dataclasses.asdict(out) for out in state.pruned.uncut],
        "why": state.why,
    }
    facts = setting | {"setting": runs.stamp(setting)} | results | runs.provenance()
    network_file.save_network(out.with_suffix(".network"), state.pruned, facts)
    runs.save(out, KIND, {}, facts)
    keeper.path.unlink(missing_ok=True)
    _report(case, state, out)


class ProgressBar:
    """Shows the progress of a run on the terminal, and passes every state on to `keeper`, which saves it when due."""

    def __init__(self, case: Case, settings: PruningSettings, keeper: StateFile) -> None:
        self.keeper, self.settings = keeper, settings
        self.bar = tqdm(total=1.0, desc=f"{case.name} seed {case.seed} {settings.criterion}", bar_format=BAR, leave=False)

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, state: State) -> None:
        """Updates the bar after a step of the run."""
        self.keeper(state)
        first, last, target = state.rows[0], state.rows[-1], self.settings.target
        gone = 1 - last[target.quantity] / first[target.quantity] if target.quantity != "accuracy" else 0.0
        share = gone / (1 - target.value) if target.quantity != "accuracy" else 1 - last["maps"] / first["maps"]
        final = f", final update {state.final.updates} of {self.settings.final_updates}" if state.final.updates else ""
        said = f"{last['maps']} of {first['maps']} maps, accuracy {shown(last['test_accuracy'], '.3f')}{final}"
        self.bar.set_postfix_str(said, refresh=False)
        self.bar.update(min(1.0, share) - self.bar.n)


BAR = "{desc} {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left, {postfix}"


def _report(case: Case, state: State, out: Path) -> None:
    """Prints the result of a run; raises BadInput if the run stopped before its target."""
    first, last = state.rows[0], state.rows[-1]
    shares = [f"{last[name] / first[name]:.1%} of its {name}" for name in ("maps", "flops", "parameters")]
    print(
        f"{case.name} seed {case.seed}: {', '.join(shares)} left after {last['updates']} updates;"
        f" test accuracy {' → '.join(shown(row['test_accuracy'], '.4f') for row in (first, last))}, in {out}"
    )
    if state.why:
        raise BadInput(f"{state.why}; the last good network is kept in {out.with_suffix('.network')}")


if __name__ == "__main__":
    exit_with(main)
