"""Cases without a Python file: a network of torchvision or timm by name, a file of weights, and the user's own examples.

Such a case is named by one line wherever a case's name is expected, such as
`torchvision:resnet18 --weights mine.pt --data imagefolder:photos`.
"""

import difflib
import functools
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data import arrays, class_folders, video_folders
from pruning_oracle.bench.data.reading.images import View
from pruning_oracle.bench.data.reading.splits import Splits
from pruning_oracle.bench.data.reading.videos import Screen
from pruning_oracle.bench.errors import BadInput, unknown
from pruning_oracle.bench.loading import fine_tuned
from pruning_oracle.bench.registry import Definition
from pruning_oracle.bench.runs.bounds import PIXELS
from pruning_oracle.bench.runs.options import Parser, add_number
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe, held_out
from pruning_oracle.bench.weights import published, state_dict, trained

KINDS = ("imagefolder", "npz", "videofolder")
EXAMPLES = 512
LONGEST_NAME = 100  # of those that are made up here
FRAMES = 16  # per video, as torchvision's networks for videos were trained


def definition(line: str) -> Definition:
    """The Definition that a line of `case_line` describes; BadInput if the line is wrong. Weights and data are read later."""
    parser = Parser(prog="the case", add_help=False)
    parser.add_argument("case")
    for name in ("--data", "--name"):
        parser.add_argument(name)
    parser.add_argument("--weights", type=Path)
    add_number(parser, "--size", PIXELS, "pixels")
    try:
        given, more = parser.parse_known_args(shlex.split(line))
    except (BadInput, ValueError) as error:
        raise BadInput(f"{line!r}: {error}") from error
    if more or not given.data:
        raise BadInput(f"{line!r}: " + (f"{more[0]!r} is unknown" if more else f"give its examples, --data {KINDS[0]}:PATH"))
    kind, _, path = given.data.partition(":")
    if kind not in KINDS or not path:
        raise unknown("kind of data", given.data, [f"{kind}:PATH" for kind in KINDS])
    if kind == "npz" and given.size is not None:
        raise BadInput(f"--size is {given.size}, but the arrays of npz:{path} have a size of their own: leave it out")
    source, _, network = given.case.partition(":")
    makers: dict[str, Callable[..., nn.Module]] = {"torchvision": published.untrained, "timm": _timm}
    make = functools.partial(makers[source], _known(source, network))
    name = given.name if given.name is not None else _plain(f"{network}-{Path(path).stem}")
    parts = functools.cache(lambda: _parts(kind, Path(path), source, network, given.size))
    recipe = FineTuneRecipe(make, _start(source, network, given.weights, make), parts, epochs=20, rate=1e-3)
    return Definition(name, functools.partial(_case, recipe, name, given.weights, line), __file__, recipe)


def _case(recipe: FineTuneRecipe, name: str, weights: Path | None, line: str, seed: int) -> Case:
    if weights is None and not trained.path(name, seed).is_file():
        train = f"fine-tune it: pruning-oracle train {line} --seed {seed}"
        raise BadInput(f"no weights of {name} for seed {seed}: give --weights FILE, or {train}")
    if weights is not None and not weights.is_file():
        raise BadInput(f"no weights at {weights}")
    parts = recipe.parts()
    model = recipe.build(len(parts.classes))
    if weights is None:
        model = trained.restore(model, name, seed)
    else:
        model = state_dict.load_into(
            model, state_dict.read_weights(weights), str(weights), f"the data ({', '.join(parts.classes[:3])}, …)"
        )
    count = min(EXAMPLES, len(held_out(parts)[0]) // 2)
    return fine_tuned.case_of_splits(model, parts, examples=count, why=f"{EXAMPLES}, or half of what there is")


def _start(source: str, network: str, weights: Path | None, make: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    """A function that makes the network with which fine-tuning starts, for a number of classes.

    Its weights are those of the file `weights`, or the published ones if there is none.
    """

    def start(classes: int) -> nn.Module:
        if weights is not None:
            return state_dict.graft(make(classes), state_dict.read_weights(weights), str(weights))
        return published.with_weights(network, classes) if source == "torchvision" else _timm(network, classes, published=True)

    return start


def _timm(network: str, classes: int, published: bool = False) -> nn.Module:
    try:
        return _imported_timm().create_model(network, pretrained=published, num_classes=classes)
    except (OSError, RuntimeError) as error:
        raise BadInput(
            f"timm could not fetch the weights of {network}: give --weights FILE ({type(error).__name__})"
        ) from error


def _imported_timm() -> Any:
    try:
        import timm  # noqa: PLC0415 (takes seconds, and no other case needs it)
    except ImportError as error:
        raise BadInput("timm is not installed here: pip install 'pruning-oracle[timm]'") from error
    return timm


def _known(source: str, network: str) -> str:
    """Returns `network` if the library has a network of that name; else BadInput suggests some."""
    listed = published.torchvision_models().list_models() if source == "torchvision" else _imported_timm().list_models()
    if network.split(".", 1)[0] not in listed:
        close = ", ".join(difflib.get_close_matches(network, listed, 5)) or ", ".join(listed[:5])
        raise BadInput(f"{source} has no network {network!r}; some that it has: {close}")
    return network


def _parts(kind: str, path: Path, source: str, network: str, size: int | None) -> Splits:
    if kind == "npz":
        return arrays.load(path)
    view = _view(source, network)
    if size is not None:
        view = View(round(size * view.resize / view.crop), size, view.mean, view.deviation, view.interpolation)
    if kind == "imagefolder":
        return class_folders.image_folders(path.name, path, view)
    screen = Screen(FRAMES, view.resize, view.crop, 3, view.mean, view.deviation)
    return video_folders.load(path.name, path, screen)


def _view(source: str, network: str) -> View:
    """The size, interpolation and normalisation of the images on which the network's published weights were tested."""
    if source == "timm":
        with torch.device("meta"):
            made: Any = _timm(network, 2)
        known: dict[str, Any] = made.pretrained_cfg
        crop = known["input_size"][-1]
        interpolation = "bicubic" if known["interpolation"] == "bicubic" else "bilinear"
        return View(round(crop / known["crop_pct"]), crop, tuple(known["mean"]), tuple(known["std"]), interpolation)
    preset = published.torchvision_weights(network).transforms()
    if not hasattr(preset, "crop_size"):
        raise BadInput(f"torchvision:{network} does not classify images or videos")
    mean, deviation = tuple(preset.mean), tuple(preset.std)
    return View(preset.resize_size[0], preset.crop_size[0], mean, deviation, preset.interpolation.value)


def _plain(name: str) -> str:
    """`name` as a file name: other characters than ASCII letters, digits, dot, underscore and hyphen become hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:LONGEST_NAME]
