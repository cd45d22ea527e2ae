"""Videos in class folders: PATH/train/wave/1.mp4 and PATH/test/…, or PATH/wave/1.mp4."""

from pathlib import Path

from bench.data.class_folders import listed
from bench.data.parts import Parts, check, sift
from bench.data.videos import SUFFIXES, Screen, examples, film
from bench.errors import BadInput


def load(what: str, root: Path, screen: Screen) -> Parts:
    """The parts of a set of videos; frames are spread evenly over the whole of each."""
    if not root.is_dir():
        raise BadInput(f"{what}: no folder {root}")
    found = listed(what, root, SUFFIXES)
    paths = {name: place.path for name, place in found.files.places.items()}
    stamps = {name: f"{place.stamp} {screen}" for name, place in found.files.places.items()}
    good, said = sift(what, found.entries, stamps, lambda name: film(paths[name], None, screen))
    check(what, good, found.classes)
    made = {split: examples([(paths[name], None, label) for name, label in part], screen) for split, part in good.items()}
    said = "; ".join(filter(None, [found.left_out, said]))
    return Parts(made["train"], made.get("validation"), made["test"], tuple(found.classes), said)
