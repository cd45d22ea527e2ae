"""What `measure`, `joint_loss`, `score` and `prune` do, into files and unread: for the command line, which starts often.

Nothing here imports what draws and lays out tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.fill import ZERO
from pruning_oracle.bench.loading.choice import choice_from
from pruning_oracle.bench.map_set import MapSet, checked_sets, read_sets
from pruning_oracle.bench.network.memory import bytes_of
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.runs.resumable import SECONDS
from pruning_oracle.bench.scores import shown
from pruning_oracle.bench.setting import Finished, Resources
from pruning_oracle.criteria.criterion import Criterion
from pruning_oracle.criteria.run import run_criteria
from pruning_oracle.oracle.pictures import write_pictures
from pruning_oracle.oracle.run import run_oracle
from pruning_oracle.oracle.sets.run import run_sets
from pruning_oracle.pruning.run import criterion_of, run_pruning


def measure_into(
    case: Case,
    out: Path,
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    fresh: int | str | None = None,
    sample_seed: int | None = None,
    budget: float | str | None = None,
    until: str | None = None,
    engine: str = "replay",
    fill: str = ZERO,
    pictures: bool = True,
    **computing: Any,
) -> Finished:
    """What `measure` does, into a file and without reading it; `fresh` is checked, and changes no number of an oracle.

    With `pictures`, those of the examples that need some map most are written beside a run's own file, for the report.
    """
    choice = choice_from(examples, rows, fresh, sample_seed)
    resources = Resources(**computing | {"memory": bytes_of(computing.get("memory"))})
    done = run_oracle(case, out, choice, resources, engine, None if budget is None else str(budget), until, fill)
    if pictures and out.name == "oracle.safetensors":
        write_pictures(case, out)
    return done


def joint_loss_into(
    case: Case,
    out: Path,
    sets: Iterable[Mapping[str, Iterable[int]] | MapSet] | str | Path,
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    fresh: int | str | None = None,
    sample_seed: int | None = None,
    engine: str = "replay",
    repair: str = "none",
    repair_examples: int | None = None,
    fill: str = ZERO,
    **computing: Any,
) -> Finished:
    """What `joint_loss` does, into a file and without reading it; `fresh` is checked, and changes no number of a joint loss."""
    choice = choice_from(examples, rows, fresh, sample_seed)
    resources = Resources(**computing | {"memory": bytes_of(computing.get("memory"))})
    listed = read_sets(case, Path(sets)) if isinstance(sets, (str, Path)) else checked_sets(case, sets)
    return run_sets(case, out, listed, choice, resources, engine, repair, repair_examples, fill)


def score_into(
    case: Case,
    out: Path,
    criteria: Sequence[str | Criterion],
    *,
    examples: int | None = None,
    rows: Sequence[int] | str | None = None,
    fresh: int | str | None = None,
    sample_seed: int | None = None,
    fill: str = ZERO,
    **computing: Any,
) -> Finished:
    """What `score` does, into a file and without reading it."""
    choice = choice_from(examples, rows, fresh, sample_seed)
    resources = Resources(**computing | {"memory": bytes_of(computing.get("memory"))})
    return run_criteria(case, out, criteria, choice, resources, fill)


def prune_into(
    load: Callable[[], Case],
    folder: Path | None,
    name: str | None,
    criterion: str | Path | Criterion,
    given: Mapping[str, Any],
    *,
    keep: float | None = None,
    **computing: Any,
) -> Finished:
    """What `prune` does, into files of a folder (None: the run's own) without reading them.

    The case is loaded once the settings that are `given` are checked; what is None there is the case's own.
    """
    own = criterion if isinstance(criterion, Criterion) else criterion_of(str(criterion))
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= {"criterion": own.name if own else str(criterion)}
    if isinstance(changes.get("target"), str):
        changes["target"] = Target.parse(changes["target"])
    PruningSettings(**changes)
    case = load()
    place = folder or runs.folder(case.name, case.seed) / "pruning"
    return run_pruning(case, place, changes, name=name, criterion=own, keep=SECONDS if keep is None else keep, **computing)


def outcome_of(facts: Mapping[str, Any]) -> str:
    """What a pruning run came to: how much is left, after how many updates, and the test accuracy before and after."""
    first, last = facts["rows"][0], facts["rows"][-1]
    shares = [f"{last[name] / first[name]:.1%} of its {name}" for name in ("maps", "flops", "parameters")]
    accuracy = " → ".join(shown(row["test_accuracy"], ".4f") for row in (first, last))
    repair = facts["settings"].get("repair", "none")
    mended = "" if repair == "none" else f", repaired after every removal ({repair})"
    return f"{', '.join(shares)} left after {last['updates']} updates{mended}; test accuracy {accuracy}"
