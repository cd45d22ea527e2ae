"""read(): a result from the file that it was saved to, or that the command line wrote."""

from pathlib import Path

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import load, registered
from pruning_oracle.bench.runs.files import kind_of
from pruning_oracle.bench.weights import state_dict
from pruning_oracle.interface import result
from pruning_oracle.interface.guesses import Guesses
from pruning_oracle.interface.joint import JointLosses, read_joint
from pruning_oracle.interface.pruned import Pruned, read_pruned
from pruning_oracle.interface.truth import Truth
from pruning_oracle.pruning.cutting import network_file
from pruning_oracle.reports.inputs.shapes import CRITERIA, ORACLE


def read(path: str | Path, case: Case | None = None) -> Truth | Guesses | JointLosses | Pruned:
    """Reads a result from a file, without running code.

    Args:
        path: a file that `save`, a `path=` or the command line wrote: an oracle's, criteria's, sets', or a pruned `.network`.
        case: the case that was pruned, if the file is a network's and the case is not one of the suite's.

    Returns:
        The result.

    Raises:
        BadInput: there is no such file, it is damaged, or it holds something else.

    Examples:
        >>> import pruning_oracle as po
        >>> po.read("nowhere.safetensors")
        Traceback (most recent call last):
        ...
        pruning_oracle.bench.errors.BadInput: no run file at nowhere.safetensors
    """
    place = Path(path)
    kind = kind_of(place)
    if kind == "oracle":
        return Truth(result.checked(runs.load(place, kind), ORACLE))
    if kind == "criteria":
        return Guesses(result.checked(runs.load(place, kind), CRITERIA))
    if kind == "sets":
        return read_joint(runs.load(place, kind))
    if kind != network_file.KIND:
        raise BadInput(f"{place} is a {kind} file; allowed are an oracle's, criteria's, sets' or a pruned network's")
    return read_pruned(place, case or _whole(place))


def _whole(place: Path) -> Case:
    """The suite's case that a network's file is of; what a file says is never imported."""
    facts = runs.load(place, network_file.KIND).facts
    if facts.get("case") not in registered():
        raise BadInput(f"{place} is of case {facts.get('case')!r}, which is not one of the suite's: give it, read(path, case)")
    return load(facts["case"], facts.get("seed", 0))


def read_run(case: Case, root: Path) -> tuple[Truth, Guesses]:
    """The oracle and the guesses that commands measured of a case; BadInput if they are missing or of another network.

    `root` is the folder of all run files.
    """
    folder = runs.folder(case.name, case.seed, root)
    oracle, criteria = (folder / f"{kind}.safetensors" for kind in ("oracle", "criteria"))
    for path in (oracle, criteria):
        if not path.is_file():
            raise BadInput(f"no {path.stem} at {folder}: `pruning-oracle compare {case.source}` measures both")
    truth = Truth(result.checked(runs.load(oracle, "oracle"), ORACLE))
    if truth.file.facts["weights"] != runs.digest(state_dict.arrays(case.model)):
        raise BadInput(f"{oracle} is of other weights than {case.name} seed {case.seed} has: measure it again")
    return truth, Guesses(result.checked(runs.load(criteria, "criteria"), CRITERIA))
