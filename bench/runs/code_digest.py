"""Finds the code and the libraries that a number depends on, by following imports, and makes a digest of that code.

The source files are parsed, not imported. Only what a file does counts: comments, docstrings and layout do not, nor do
the code and settings of training and pruning (`TRAINING`, `SETTINGS`), since weights and settings have digests of their own.
A data file that lies beside a module and is named in it counts as part of the module.
"""

import ast
import functools
import hashlib
import inspect
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.provenance import ROOT, installed

SUITE = "pruning_oracle"
DATA = (".json", ".npz")  # endings of the data files that may lie beside a module
STAGES = ("bench", "oracle", "criteria", "pruning", "reports")
# libraries that compute numbers: the name that is imported, and the name of the package
LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "timm": "timm",
    "captum": "captum",
    "torch_pruning": "torch-pruning",
    "av": "av",
    "PIL": "pillow",
}
NEVER = (
    "bench/runs",
    "bench/errors.py",
    "bench/terminal.py",
    "bench/progress.py",
    "oracle/progress.py",
)  # files, messages and progress: no number depends on them
TRAINING = ("bench/training", "bench/registry.py", "bench/pruning_settings.py")  # training shows in the weights' digest
SETTINGS = ("PruningSettings", "ScratchRecipe")  # classes of settings in a case's file that no measured number depends on
FINE_TUNING = ("FineTuneRecipe", "fine_tuned_images")  # what also brings a case its network and its data: of these only
LEARNING = ("epochs", "rate", "batch", "momentum", "weight_decay", "adaptive", "augment")  # changes no number


@dataclass(frozen=True)
class SourceFile:
    """What matters of one file: a digest of what it does, and the files and the libraries (of `LIBRARIES`) that it imports."""

    digest: str
    imports: tuple[Path, ...]
    libraries: frozenset[str]


def depends_on(files: Iterable[Path | str], without: Iterable[str] = TRAINING) -> dict[str, Any]:
    """A digest of all code that `files` run, as `sources`, and the versions of the libraries in it, as `libraries`.

    Files of the suite are named relative to its root, such as `oracle/measure.py`; `without` names files and folders of the
    suite to leave out.
    """
    found = sorted(closure(files, without))
    sha = hashlib.sha256()
    for path in found:
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        sha.update(f"{name} {read_source(path).digest}\n".encode())
    libraries = sorted(frozenset[str]().union(*(read_source(path).libraries for path in found)))
    versions = {LIBRARIES[name]: installed(LIBRARIES[name]) for name in libraries}
    return {"sources": sha.hexdigest(), "libraries": {"python": platform.python_version()} | versions}


def closure(files: Iterable[Path | str], without: Iterable[str] = ()) -> set[Path]:
    """`files` and all files that they import, directly or not, except those in `NEVER` and `without`.

    Imports count if they are of the suite, or of files beside a user's own file.
    """
    left_out = [ROOT / name for name in (*NEVER, *without)]
    waiting = [(ROOT / file).resolve() for file in files]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found or any(path == out or out in path.parents for out in left_out):
            continue
        found.add(path)
        waiting += read_source(path).imports
    return found


def of_function(function: Callable[..., Any]) -> str:
    """A digest of what a function does that has no file of its own, as in a notebook: of its code, and of what that names.

    That is other functions of the same module, and numbers and texts; the version of Python counts too.
    """
    sha, waiting, seen = hashlib.sha256(), [function], set[int]()
    while waiting:
        one = waiting.pop()
        code = getattr(inspect.unwrap(one), "__code__", None)
        if id(one) in seen or code is None:
            sha.update(b"" if id(one) in seen else repr(type(one)).encode())
            continue
        seen.add(id(one))
        own = inspect.unwrap(one)
        for part in _codes(code):
            constants = [constant for constant in part.co_consts if not isinstance(constant, CodeType)]
            sha.update(part.co_code + repr((constants, part.co_names)).encode())
            named = [own.__globals__.get(name) for name in part.co_names]
            held = [cell.cell_contents for cell in own.__closure__ or ()]
            for value in [*named, *held]:
                if isinstance(value, (int, float, str, tuple)):
                    sha.update(repr(value).encode())
                elif isinstance(value, FunctionType) and value.__module__ == own.__module__:
                    waiting.append(value)
    return sha.hexdigest()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


@functools.cache
def read_source(path: Path) -> SourceFile:
    """Parses one file. Of a file that is not Python, the digest is that of its content."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return SourceFile(hashlib.sha256(content).hexdigest(), (), frozenset())
    tree = ast.parse(content, str(path))
    names = list(_imported(tree))
    modules = [module for name in names if (module := _module(name, path))]
    libraries = frozenset(top for name in names if (top := name.split(".")[0]) in LIBRARIES)
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    beside = [path.parent / text for text in sorted(strings) if text.endswith(DATA)]
    imports = dict.fromkeys([*modules, *filter(Path.is_file, beside)])
    code = ast.dump(_Bare().visit(tree))
    return SourceFile(hashlib.sha256(code.encode()).hexdigest(), tuple(imports), libraries)


def _imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a file imports, at its top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(name: str, importer: Path) -> Path | None:
    """The file that a dotted name means: one of the suite, or one beside a user's file that imports it; None if there is none.

    The name `a.b` may come from `from a import b`, so it means the module a.b if that exists, else a.
    """
    first, *rest = name.split(".")
    if first != SUITE and any(ROOT / stage in importer.parents for stage in STAGES):
        return None
    start = ROOT if first == SUITE else importer.parent
    words = rest if first == SUITE else [first, *rest]
    while words:
        for candidate in (start.joinpath(*words).with_suffix(".py"), start.joinpath(*words, "__init__.py")):
            if candidate.is_file():
                return candidate.resolve()
        words.pop()
    return None


class _Bare(ast.NodeTransformer):
    """Removes what changes no number: docstrings, the decorator @case, and settings of training and pruning (`SETTINGS`)."""

    def visit(self, node: ast.AST) -> ast.AST:
        """The node without those parts."""
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            del body[0]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [mark for mark in node.decorator_list if not _registers_a_case(mark)]
        if isinstance(node, ast.Module):
            node.body = [part for part in node.body if not _is_setting(part)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FINE_TUNING:
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in LEARNING]
        return super().generic_visit(node)


def case_in(file: Path) -> str:
    """The name of the case that a Python file holds, read without running it; BadInput unless there is exactly one."""
    if not file.is_file():
        raise BadInput(f"no such case file: {file}")
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError, OSError) as error:
        raise BadInput(f"{file} is not a Python file ({type(error).__name__})") from error
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = [node.name.replace("_", "-") for node in functions if any(map(_registers_a_case, node.decorator_list))]
    if len(found) != 1:
        raise BadInput(f"{file} must hold exactly one function marked @case; it holds: {', '.join(found) or 'none'}")
    return found[0]


def _is_setting(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Assign) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SETTINGS


def _registers_a_case(mark: ast.expr) -> bool:
    name = mark.func if isinstance(mark, ast.Call) else mark
    return getattr(name, "id", getattr(name, "attr", "")) == "case"  # case, or registry.case
