"""Prunes a case: removes its least important maps step by step while it learns on, to a network that is really smaller."""

import argparse
import dataclasses
import hashlib
from pathlib import Path

from tqdm import tqdm

from bench import runs
from bench.case import Case, find
from bench.command import case_options, opened
from bench.errors import BadInput, exit_with
from bench.keeping import SECONDS
from bench.reductions import ORACLES
from criteria.criterion import Criterion, choose
from criteria.evidence import unfit
from pruning import network
from pruning.loop import Loop
from pruning.resume import Keeper
from pruning.settings import Settings
from pruning.state import State
from pruning.target import Target
from pruning.updates import LEARNT

KIND = "pruning"


def options() -> argparse.ArgumentParser:
    """The command line's options; those of the loop have the paper's values."""
    parser = case_options("pruning", __doc__, LEARNT)
    known = Settings()
    add = parser.add_argument
    add("--criterion", default=known.criterion, help="a name, a .py file with one @criterion, or oracle_abs or oracle_loss")
    add("--scaling", default=known.scaling, help=f"of scores within each site: none, l1, l2 or rank (default {known.scaling})")
    add("--flops-lambda", type=float, default=known.flops_lambda, help=f"less this per MFLOP of a map ({known.flops_lambda:g})")
    add("--remove", type=int, default=known.remove, help=f"maps at a time (default {known.remove})")
    add("--updates", type=int, default=known.updates, help=f"of learning between two removals (default {known.updates})")
    add("--until", default=str(known.until), help="maps=0.3, flops=0.1, parameters=0.2 or accuracy=-0.025 (default maps=0.3)")
    add(
        "--final-updates", type=int, default=known.final_updates, help=f"of learning at the end (default {known.final_updates})"
    )
    add("--rate", type=float, default=known.rate, help=f"learning rate (default {known.rate:g})")
    add("--momentum", type=float, default=known.momentum, help=f"of SGD (default {known.momentum})")
    add("--weight-decay", type=float, default=known.weight_decay, help=f"of SGD (default {known.weight_decay:g})")
    add("--batch", type=int, default=known.batch, help=f"examples per update (default {known.batch})")
    add(
        "--examples",
        type=int,
        default=known.examples,
        help="score by passes of their own over so many examples (default: by updates)",
    )
    add("--tested", type=int, default=known.tested, help="test examples that judge every step (default: all)")
    add("--again", type=int, default=known.again, help="measure an oracle anew every so many removals (default 1)")
    add(
        "--keep",
        type=float,
        default=SECONDS,
        help=f"seconds of work, and a step, after which the state is saved (default {SECONDS:g})",
    )
    add("--name", help="of the run's files (default: its criterion and settings)")
    add("--out", type=Path, help="the folder to write to (default: the run's own under runs/)")
    return parser


def criterion_of(name: str) -> Criterion | None:
    """The criterion of that name, or in that file; None for an oracle."""
    if name in ORACLES:
        return None
    chosen = choose([name])
    if len(chosen) != 1:
        raise BadInput(f"--criterion {name} names {len(chosen)} criteria: give one")
    return chosen[0]


def check_fit(case: Case, criterion: Criterion) -> None:
    """Refuses a criterion whose evidence the case cannot give."""
    for need, reason in unfit(case, criterion.needs).items():
        raise BadInput(f"{case.name}: criterion {criterion.name!r} cannot be had here, since it needs {need}: {reason}")


def settings_of(given: argparse.Namespace, criterion: Criterion | None) -> Settings:
    """The settings that the command line names; a user's own criterion goes by its name, not by its file's."""
    names = [field.name for field in dataclasses.fields(Settings)]
    values = {name: value for name, value in vars(given).items() if name in names}
    values |= {"until": Target.parse(given.until), "criterion": criterion.name if criterion else given.criterion}
    return Settings(**values)


def files(given: argparse.Namespace, case: Case, settings: Settings) -> Path:
    """The run's file, whose name is given or says what the run is."""
    folder: Path = given.out or runs.folder(case.name, case.seed) / "pruning"
    return folder / f"{given.name or settings.name}.safetensors"


def main() -> None:
    """The command line."""
    given = options().parse_args()
    criterion = criterion_of(given.criterion)
    settings = settings_of(given, criterion)
    case, out, facts = opened(given, lambda case: files(given, case, settings))
    if criterion:
        check_fit(case, criterion)
    known = runs.provenance()
    source = Path(find(given.case).file).read_bytes() + (criterion.file.read_bytes() if criterion else b"")
    facts |= {"settings": settings.facts, "source": hashlib.sha256(source).hexdigest()}
    keeper = Keeper(out.with_suffix(".state"), facts | {name: known[name] for name in ("commit", "versions")}, given.keep)
    state = keeper.found(case)
    with Shown(case, settings, keeper) as shown:
        state = Loop(state, settings, criterion, shown).run()
    facts |= {"rows": state.rows, "sites": [site.name for site in state.pruned.whole], "why": state.why} | known
    network.save(out.with_suffix(".network"), state.pruned.case, facts)
    runs.save(out, KIND, {}, facts)
    keeper.path.unlink(missing_ok=True)
    _report(case, state, out)


class Shown:
    """Shows how far a run is, and has its state kept."""

    def __init__(self, case: Case, settings: Settings, keeper: Keeper) -> None:
        self.keeper, self.settings = keeper, settings
        self.bar = tqdm(total=1.0, desc=f"{case.name} seed {case.seed} {settings.criterion}", bar_format=BAR, leave=False)

    def __enter__(self) -> "Shown":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def __call__(self, state: State) -> None:
        """One step is done."""
        self.keeper(state)
        first, last, until = state.rows[0], state.rows[-1], self.settings.until
        gone = 1 - last[until.quantity] / first[until.quantity] if until.quantity != "accuracy" else 0.0
        share = gone / (1 - until.value) if until.quantity != "accuracy" else 1 - last["maps"] / first["maps"]
        final = f", final update {state.final.updates} of {self.settings.final_updates}" if state.final.updates else ""
        said = f"{last['maps']} of {first['maps']} maps, accuracy {last['test_accuracy']:.3f}{final}"
        self.bar.set_postfix_str(said, refresh=False)
        self.bar.update(min(1.0, share) - self.bar.n)


BAR = "{desc} {percentage:3.0f}% |{bar}| {elapsed} gone, {remaining} left, {postfix}"


def _report(case: Case, state: State, out: Path) -> None:
    """Prints what came of a run; one that had to stop ends with an error."""
    first, last = state.rows[0], state.rows[-1]
    shares = [f"{last[name] / first[name]:.1%} of its {name}" for name in ("maps", "flops", "parameters")]
    print(
        f"{case.name} seed {case.seed}: {', '.join(shares)} left after {last['updates']} updates;"
        f" test accuracy {first['test_accuracy']:.4f} → {last['test_accuracy']:.4f}, in {out}"
    )
    if state.why:
        raise BadInput(f"{state.why}; the last good network is kept in {out.with_suffix('.network')}")


if __name__ == "__main__":
    exit_with(main)
