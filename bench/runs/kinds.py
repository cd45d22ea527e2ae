"""The kinds of files that the suite writes, each recognised by its content: no other file is ever written over or deleted.

As a script, `python3 bench/runs/kinds.py FOLDER …` deletes the suite's own files in folders, as `make clean` does, and
`--timings FILE` fails if `make timings` must not write that file. It needs Python's own library alone.
"""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

FORMAT = "pruning-oracle 1"
LOOKED_AT = 65536  # bytes at both ends of a file in which marks are looked for
LONGEST_HEADER = 100_000_000  # bytes, as safetensors allows


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, and marks that its beginning or its end always holds, or those of an earlier version."""

    name: str
    marks: tuple[bytes, ...]
    earlier: tuple[bytes, ...] = ()


def run_file(kind: str) -> Kind:
    """The kind of a run file, whose header names it."""
    return Kind(f"{kind} file", (f'"format":"{FORMAT}"'.encode(), f'"kind":"{kind}"'.encode()))


LOG = Kind("log", (b" pruning-oracle ",))
PAGE = Kind("page of a report", (b"<title>Pruning Oracle: ",))
FIGURE = Kind("figure", (f"Software\0{FORMAT}".encode(),))
PDF = Kind("figure", (b"%PDF-", f"/Creator ({FORMAT})".encode()))
AGREEMENT = Kind("table of agreement", (b"case,seed,criterion,scope,scaling,oracle,",))
AGREEMENT_MARKDOWN = Kind("table of agreement", (b"| case ", b"| oracle ", b"| criterion ", b"| noise ceiling "))
LATEX_TITLE = "Agreement of pruning criteria with the oracle, measured by Pruning Oracle"  # in front of the LaTeX tables
AGREEMENT_LATEX = Kind(
    "table of agreement",
    (b"% " + LATEX_TITLE.encode(), b"noise ceiling & "),
    (b"case & oracle & criterion & ", b"noise ceiling & "),
)
CSVW = "http://www.w3.org/ns/csvw"  # the standard for descriptions of tables
DESCRIPTION = Kind("description of a table", (f'"@context": "{CSVW}"'.encode(), b'"dc:creator": "Pruning Oracle"'))
MAPS = Kind("table of maps", (b"site,map,oracle_loss,oracle_abs,",))
CHOSEN = Kind("table of chosen sets", (b"case,seed,chooser,scope,",))
DATAMODELING = Kind("table of linear datamodeling scores", (b"case,seed,chooser,share,scaling,lds,",))
ADDITIVITY = Kind("table of additivity", (b"case,seed,scope,share,maps,joint_loss,single_changes,",))
SENSITIVITY = Kind("table of layer sensitivity", (b"case,seed,site,chooser,share,",))
FORETOLD = Kind("table of what foretells", (b"case,predictor,outcome,tau,",))
SHAPLEY = Kind("table of Shapley values", (b"case,seed,site,map,shapley,",))
INTERACTIONS = Kind("table of interactions", (b"case,seed,site_a,map_a,",))
ADDING = Kind("table of how changes add", (b"case,seed,share,sets,",))
GRADES = Kind("table of how guesses of interactions agree", (b"case,seed,pairs,spearman,",))
BY_CLASS = Kind("table by class", (b"case,seed,site,map,class,",))
BY_EXAMPLE = Kind("table by example", (b"case,seed,site,map,place,example,",))
STEPS = Kind("table of pruning steps", (b"case,study,",))
BASELINES = Kind("table of baselines", (b"criterion,figure,",))
MADE_FROM = Kind("note of what a report was made from", (FORMAT.encode(),))
TABLES = Kind("note of what tables were made from", (b'"oracle": "', b'"criteria": "', b'"grader": "', b'"tables": {'))
TRIAL = Kind("trial of estimated oracles", (b'"weights": "', b'"maps": ', b'"curves": ['))
WEIGHTS_OF_CRITERIA = Kind("file of a combination's weights", (b'"members": [',))
ONNX = Kind("exported network", (FORMAT.encode(),))
TIMINGS = Kind("record of make timings", (b'"machine_info": {', b'"provenance": {'))
GPU = Kind("record of make gpu", (b'"command": "make gpu"',))
READABLE = Kind("note of what cannot be read", (b"{",))
RUN_FILE = Kind("run file", (f'"format":"{FORMAT}"'.encode(),))  # of whatever kind
REPORT = (PAGE, FIGURE, PDF, AGREEMENT, AGREEMENT_MARKDOWN, AGREEMENT_LATEX, DESCRIPTION, STEPS, MADE_FROM)
STUDIES = (CHOSEN, DATAMODELING, ADDITIVITY, SENSITIVITY, FORETOLD, SHAPLEY, INTERACTIONS, ADDING, GRADES)  # of sets
EVERY = (
    *REPORT,
    RUN_FILE,
    LOG,
    MAPS,
    BY_CLASS,
    BY_EXAMPLE,
    *STUDIES,
    TABLES,
    TRIAL,
    ONNX,
    TIMINGS,
    GPU,
)  # in the folders that `make clean` empties


def refusal(path: Path, kind: Kind) -> str:
    """Why a file of this kind is not written to `path`; empty if nothing lies there, or nothing but a file of this kind."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(mode):
        return f"{path} is {_described(mode)}: name a file"
    return "" if is_a(path, kind) else f"{path} is no {kind.name} of this suite: move it away, or name another place"


def is_a(path: Path, *kinds: Kind) -> bool:
    """Whether a regular file is of one of these kinds by its content, or holds nothing that could be lost."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # a pipe would wait for ever
        size = os.fstat(file.fileno()).st_size
        first = file.read(9)
        header = int.from_bytes(first[:8], "little") if first[8:] == b"{" else 0  # of a run file: marks may lie anywhere in it
        ends = first + file.read(max(LOOKED_AT, min(header, LONGEST_HEADER)))
        file.seek(max(0, size - LOOKED_AT))
        ends += file.read(LOOKED_AT)
    known = [marks for kind in kinds for marks in (kind.marks, kind.earlier) if marks]
    return not size or any(all(mark in ends for mark in marks) for marks in known)


def _described(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def clean(folder: Path) -> list[Path]:
    """Deletes the suite's own files under a folder, and folders that this empties; returns the files that are left."""
    left = []
    for place, folders, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            lock = name == "lock" or name.endswith(".lock")
            if stat.S_ISREG(path.lstat().st_mode) and (is_a(path, *EVERY) or (lock and not path.stat().st_size)):
                path.unlink()
            else:
                left.append(path)
        left += [Path(place, name) for name in folders if Path(place, name).is_symlink()]
        if not any(Path(place).iterdir()):
            Path(place).rmdir()
    return left


if __name__ == "__main__":
    if sys.argv[1] == "--timings":
        sys.exit(refusal(Path(sys.argv[2]), TIMINGS) or 0)
    for kept in [path for name in sys.argv[1:] if not Path(name).is_symlink() for path in clean(Path(name))]:
        print(f"kept, since it is not the suite's: {str(kept)!r}")
