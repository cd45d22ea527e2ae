"""Videos in class folders: PATH/train/wave/1.mp4 and PATH/test/…, or PATH/wave/1.mp4."""

from pathlib import Path

from pruning_oracle.bench.data.class_folders import listed
from pruning_oracle.bench.data.reading.splits import Splits, check_labels, readable_entries
from pruning_oracle.bench.data.reading.videos import SUFFIXES, Screen, read_frames, video_examples
from pruning_oracle.bench.errors import BadInput


def load(what: str, root: Path, screen: Screen) -> Splits:
    """The parts of a set of videos in class folders, with frames spread evenly over each whole video.

    `what` names the set in messages.
    """
    if not root.is_dir():
        raise BadInput(f"{what}: no folder {root}")
    found = listed(what, root, SUFFIXES)
    paths = {name: place.path for name, place in found.files.places.items()}
    stamps = {name: f"{place.stamp} {screen}" for name, place in found.files.places.items()}
    faults = {name: place.fault for name, place in found.files.places.items()}
    good, said = readable_entries(what, found.entries, stamps, lambda name: read_frames(paths[name], None, screen), faults)
    check_labels(what, good, found.classes)
    made = {split: video_examples([(paths[name], None, label) for name, label in part], screen) for split, part in good.items()}
    said = "; ".join(filter(None, [found.left_out, said]))
    return Splits(made["train"], made.get("validation"), made["test"], tuple(found.classes), said)
