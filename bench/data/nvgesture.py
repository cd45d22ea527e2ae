"""nvGesture, 25 hand gestures of 20 people in depth and colour, as published: list files, videos and annotated windows."""

import re
from dataclasses import dataclass
from pathlib import Path

from pruning_oracle.bench.data.reading.data_folder import missing_data, root
from pruning_oracle.bench.data.reading.files import read_text
from pruning_oracle.bench.data.reading.splits import Entries, Splits, check_labels, readable_entries
from pruning_oracle.bench.data.reading.videos import Screen, Window, read_frames, video_examples
from pruning_oracle.bench.errors import BadInput

CLASSES = 25
LISTS = {"train": "nvgesture_train_correct*.lst", "test": "nvgesture_test_correct*.lst"}
DEPTH = Screen()
COLOUR = Screen(colours=3, mean=(0.5,) * 3, deviation=(0.5,) * 3)


@dataclass(frozen=True)
class Clip:
    """One gesture, from a line of a list file: the video of one sensor, the window of frames, and the gesture's label."""

    path: Path
    window: Window
    label: int

    @property
    def name(self) -> str:
        """The clip's name in messages: the video and the window, since a video may hold several clips."""
        return f"{self.path.relative_to(root() / 'nvgesture')} {self.window[0]}:{self.window[1]}"


def load(sensor: str = "depth", screen: Screen = DEPTH) -> Splits:
    """The clips, split as in the list files; `sensor` is `depth` or `color`."""
    return _parts({split: _listed(split, sensor) for split in LISTS}, screen)


def takes(sensor: str = "depth", screen: Screen = DEPTH) -> Splits:
    """A new split of the clips, for a copy of the data set with few videos.

    The first clip of each class whose video exists is for training, all others are for testing.
    """
    clips = [clip for split in LISTS for clip in _listed(split, sensor)]
    seen: set[int] = set()
    entries: dict[str, list[Clip]] = {"train": [], "test": []}
    for clip in clips:
        entries["test" if clip.label in seen else "train"].append(clip)
        if clip.path.is_file():
            seen.add(clip.label)
    return _parts(entries, screen)


def _parts(clips: dict[str, list[Clip]], screen: Screen) -> Splits:
    known = {clip.name: clip for part in clips.values() for clip in part}
    entries: dict[str, Entries] = {split: [(clip.name, clip.label) for clip in part] for split, part in clips.items()}
    stamps = {name: _stamp(clip.path, screen) for name, clip in known.items()}
    good, said = readable_entries("nvGesture", entries, stamps, lambda name: _look(known[name], screen))
    classes = [str(number) for number in range(1, CLASSES + 1)]
    check_labels("nvGesture", good, classes)
    found = {split: [known[name] for name, _ in part] for split, part in good.items()}
    made = {
        split: video_examples([(clip.path, clip.window, clip.label) for clip in part], screen) for split, part in found.items()
    }
    return Splits(made["train"], None, made["test"], tuple(classes), said)


def _look(clip: Clip, screen: Screen) -> None:
    if not clip.path.is_file():
        raise BadInput("missing")
    read_frames(clip.path, clip.window, screen)


def _stamp(path: Path, screen: Screen) -> str:
    known = path.stat() if path.is_file() else None
    return f"{known.st_size} {known.st_mtime_ns} {screen}" if known else "missing"


def _listed(split: str, sensor: str) -> list[Clip]:
    folder = root() / "nvgesture"
    lists = sorted(folder.glob(LISTS[split]))
    if not lists:
        raise missing_data(
            "nvGesture", f"nvgesture/ with {' and '.join(LISTS.values())} and Video_data/class_01/…/sk_depth.avi"
        )
    lines = [(place, line.strip()) for place, line in enumerate(read_text(lists[0]).splitlines(), 1)]
    return [_clip(folder, lists[0], place, line, sensor) for place, line in lines if line]


def _clip(folder: Path, file: Path, place: int, line: str, sensor: str) -> Clip:
    """A clip from `path:./Video_data/class_01/subject13_r0 depth:sk_depth:138:218 color:sk_color:138:218 … label:1`."""
    fields = dict(word.split(":", 1) for word in line.split() if ":" in word)
    found = re.fullmatch(r"(\w+):(\d+):(\d+)", fields.get(sensor, ""))
    where = f"{file}, line {place}"
    if not found or "path" not in fields or not fields.get("label", "").isdecimal():
        raise BadInput(f"{where}: {line!r} lacks path:…, {sensor}:<video>:<first frame>:<end> or label:1 to {CLASSES}")
    name, first, end, label = found[1], int(found[2]), int(found[3]), int(fields["label"])
    if not 1 <= label <= CLASSES or first >= end:
        raise BadInput(f"{where}: label {label} of 1 to {CLASSES}, window {first} to {end}")
    path = folder / fields["path"] / f"{name}.avi"
    if ".." in path.relative_to(folder).parts:
        raise BadInput(f"{where}: {fields['path']} lies outside {folder}")
    return Clip(path, (first, end), label - 1)
