"""Prunes a case: removes its least important maps step by step while it learns on, to a network that is really smaller."""

import argparse
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench import embedded, memory, runs
from bench.case import PRECISIONS, Case, find, load
from bench.command import describe
from bench.errors import BadInput, exit_with, unknown
from bench.reductions import ORACLES
from criteria.criterion import Criterion, choose
from criteria.evidence import unfit
from pruning import network
from pruning.loop import Loop, State
from pruning.resume import SECONDS, Keeper
from pruning.settings import Settings, Target

KIND = "pruning"
LEARNT = tuple(name for name in PRECISIONS if name != "bfloat16")  # its 8 bits lose the small steps of learning


def options() -> argparse.ArgumentParser:
    """The command line's options; those of the loop have the paper's values."""
    parser = argparse.ArgumentParser(prog="python -m pruning", description=__doc__)
    parser.add_argument("case", help="a case's name, or a .py file that holds an @case")
    known = Settings()
    add = parser.add_argument
    add("--seed", type=int, default=0, help="which trained network, and which examples (default 0)")
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
        "--fresh",
        type=int,
        default=known.fresh,
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
    add("--device", default="auto", help="auto, cpu or cuda (default auto)")
    add("--precision", default="float32", help=f"{' or '.join(LEARNT)} (default float32)")
    add("--name", help="of the run's files (default: its criterion and settings)")
    add("--out", type=Path, help="the folder to write to (default: the run's own under runs/)")
    return parser


def criterion_of(case: Case, name: str) -> Criterion | None:
    """The criterion of that name, if the case can give what it needs; None for an oracle."""
    if name in ORACLES:
        return None
    chosen = choose([name])
    if len(chosen) != 1:
        raise BadInput(f"--criterion {name} names {len(chosen)} criteria: give one")
    for need, reason in unfit(case, chosen[0].needs).items():
        raise BadInput(f"{case.name}: criterion {chosen[0].name!r} cannot be had here, since it needs {need}: {reason}")
    return chosen[0]


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings that the command line names."""
    names = [field.name for field in dataclasses.fields(Settings)]
    values = {name: value for name, value in vars(given).items() if name in names}
    return Settings(**values | {"until": Target.parse(given.until)})


def main() -> None:
    """The command line."""
    given = options().parse_args()
    if not 0 <= given.seed < 2**32:
        raise BadInput(f"--seed is {given.seed}; allowed are 0 to {2**32 - 1}")
    if given.precision not in LEARNT:
        raise unknown("precision", given.precision, LEARNT)
    settings = settings_of(given)
    case = load(given.case, given.seed)
    weights = runs.digest(embedded.arrays(case.model))
    case = case.to(given.device, given.precision)
    memory.keep_heap()
    criterion = criterion_of(case, settings.criterion)
    name = given.name or (settings if criterion is None else dataclasses.replace(settings, criterion=criterion.name)).name
    folder = given.out or runs.folder(case.name, case.seed) / "pruning"
    out = folder / f"{name}.safetensors"
    runs.check_writable(out)
    known = runs.provenance()
    source = Path(find(given.case).file).read_bytes()
    facts: dict[str, Any] = {
        "case": case.name,
        "seed": case.seed,
        "weights": weights,
        "precision": given.precision,
        "device": describe(case.device),
        "threads": torch.get_num_threads(),
        "settings": settings.facts | ({"criterion": criterion.name} if criterion else {}),
        "source": hashlib.sha256(source + (criterion.file.read_bytes() if criterion else b"")).hexdigest(),
    }
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
        self.bar.set_postfix_str(f"{last['maps']} of {first['maps']} maps, accuracy {last['test_accuracy']:.3f}", refresh=False)
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
