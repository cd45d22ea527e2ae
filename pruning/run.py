"""Stage 3 on one case: prunes it by some settings, with fine-tuning, and writes the steps and the network that is left."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.progress import bar
from pruning_oracle.bench.pruning_settings import PruningSettings, default_settings
from pruning_oracle.bench.repair.after_removal import ready_for
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.bench.runs.resumable import SECONDS
from pruning_oracle.bench.scores import ORACLES, shown
from pruning_oracle.bench.setting import TESTED, Finished, fingerprint, finished_before, open_case
from pruning_oracle.criteria.criterion import Criterion, choose_criteria, code_of
from pruning_oracle.criteria.evidence.collect import unavailable
from pruning_oracle.criteria.evidence.passes import slopeless
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.repairing import examples_of_repair, uncarried_by
from pruning_oracle.pruning.loop.resume import StateFile
from pruning_oracle.pruning.loop.state import State
from pruning_oracle.pruning.loop.updates import LEARNT

KIND = "pruning"
SOURCES = ("pruning/loop/loop.py", "oracle/measure.py", "oracle/exact/replay.py")


def run_pruning(
    case: Case,
    folder: Path,
    changes: Mapping[str, Any],
    *,
    name: str | None = None,
    criterion: Criterion | None = None,
    device: str = "auto",
    precision: str = "float32",
    keep: float = SECONDS,
) -> Finished:
    """Prunes a case and writes `NAME.safetensors`, every step, and `NAME.network`, what is left, into a folder.

    `changes` are settings (fields of `PruningSettings`) that differ from the case's own; `criterion` is the one that they name,
    or None for an oracle. The name is by default that of the criterion and the changes. The state is saved after every `keep`
    seconds of work and a step, so that a run that was interrupted goes on. Nothing is done where the files are up to date. A
    run that stops before its target says so in its facts, as `why`. BadInput names what is wrong before anything is pruned.
    """
    if precision not in LEARNT:
        raise unknown("precision", precision, LEARNT)
    usual = usual_settings(case)
    settings = dataclasses.replace(usual, **changes)
    out = folder / f"{checked_name('--run-name', name if name is not None else settings.name(usual))}.safetensors"
    code = code_of([criterion], ()) if criterion else None
    runs.check_writable(out.with_suffix(".network"), runs.run_file(network_file.KIND))
    opened = open_case(case, out, runs.run_file(KIND), SOURCES, device, precision, without=(), criteria=code)
    case = ready_for(opened.case, settings.repair)
    _check(case, settings, criterion)
    learnt = fingerprint(case.train, range(min(TESTED, len(case.train))))
    setting = opened.setting | {"settings": settings.facts, "data": learnt}
    keeper = StateFile(out, setting, keep)
    if before := finished_before(out, KIND, setting):
        keeper.path.unlink(missing_ok=True)  # of a run that was killed after its result was written
        return before
    with ProgressBar(case, settings, keeper) as shown_bar:
        state = Loop(keeper.found(case), settings, criterion, shown_bar).run()
    results = {
        "rows": state.rows,
        "sites": [site.name for site in state.pruned.whole.sites],
        "uncut": [dataclasses.asdict(left) for left in state.pruned.uncut],
        "uncarried": [dataclasses.asdict(left) for left in uncarried_by(settings, state.pruned)],
        "why": state.why,
        "test examples": settings.tested or len(case.test),
    }
    facts = setting | {"setting": runs.stamp(setting)} | results | runs.provenance()
    network_file.save_network(out.with_suffix(".network"), state.pruned, facts)
    runs.save(out, KIND, {}, facts)
    keeper.path.unlink(missing_ok=True)
    return Finished(out, facts, False)


def usual_settings(case: Case) -> PruningSettings:
    """The case's own settings, or where it has none those that follow from its size."""
    own = find(case.source).pruning if case.source else None
    return dataclasses.replace(own or default_settings(sum(site.maps for site in case.sites)), seed=case.seed)


def criterion_of(name: str) -> Criterion | None:
    """The criterion of that name, or in that .py file; None for an oracle. Raises BadInput unless there is exactly one."""
    if name in ORACLES:
        return None
    chosen = choose_criteria([name])
    if len(chosen) != 1:
        raise BadInput(f"--criterion {name} names {len(chosen)} criteria: give one")
    return chosen[0]


def _check(case: Case, settings: PruningSettings, criterion: Criterion | None) -> None:
    """Raises BadInput for settings that the case cannot meet: too few examples, no gradient to learn by, missing evidence."""
    if settings.tested > len(case.test):
        raise BadInput(f"--tested is {settings.tested}; {case.name} has {len(case.test)} test examples")
    case.split(settings.examples or None)
    examples_of_repair(case, settings)
    if (settings.updates or settings.final_updates) and (reason := slopeless(case)):
        raise BadInput(f"{case.name}: fine-tuning is impossible, since {reason}: give --updates 0 and --final-updates 0")
    if criterion:
        for need, reason in unavailable(case, criterion.needs).items():
            raise BadInput(f"{case.name}: criterion {criterion.name!r} is unavailable here, since it needs {need}: {reason}")


class ProgressBar:
    """Shows the progress of a run on the terminal, and passes every state on to `keeper`, which saves it when due."""

    def __init__(self, case: Case, settings: PruningSettings, keeper: StateFile) -> None:
        self.keeper, self.settings = keeper, settings
        self.bar = bar(total=1.0, desc=f"{case.name} seed {case.seed} {settings.criterion}", bar_format=BAR, leave=False)

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
