"""The file of an oracle's pictures: encoded pictures of the examples that need some map most; imports no torch."""

from collections.abc import Iterable, Mapping

import numpy as np

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.runs.files import Arrays, RunFile

FILE, KIND = "pictures.safetensors", "pictures"  # beside the oracle's file
NEEDED = 8  # examples that are shown of a map: those whose loss rises most without it


def most_needed(change: np.ndarray) -> np.ndarray:
    """The examples whose loss rises most without each map, `[rank, map]`, of changes `[example, map]`: at most `NEEDED`."""
    return np.argsort(-change, axis=0, kind="stable")[:NEEDED]


def worth_showing(changes: Iterable[np.ndarray], most: int) -> list[int]:
    """The examples that need some map most, the first of every map before the second of any: at most so many."""
    ranked = np.concatenate([most_needed(change) for change in changes], 1)
    return list(dict.fromkeys(ranked.ravel().tolist()))[:most]


def packed(pictures: Mapping[int, bytes]) -> Arrays:
    """Pictures by the example's place in the oracle's file, as arrays: all bytes one after another, and where each ends."""
    return {
        "webp": np.frombuffer(b"".join(pictures.values()), np.uint8),
        "ends": np.cumsum([len(picture) for picture in pictures.values()], dtype=np.int64),
        "examples": np.array(list(pictures), np.int64),
    }


def unpacked(file: RunFile) -> dict[int, bytes]:
    """The pictures of a file by the example's place in the oracle's file; BadInput if its arrays are not those of `packed`."""
    arrays = [file.arrays.get(name) for name in ("webp", "ends", "examples")]
    if any(array is None or array.ndim != 1 or array.dtype.kind not in "iu" for array in arrays):
        raise BadInput(f"{file.path} is damaged: it lacks a list of pictures")
    data, ends, examples = (np.asarray(array) for array in arrays)
    places = [0, *ends.tolist()]
    if len(ends) != len(examples) or sorted(places) != places or places[-1] > len(data):
        raise BadInput(f"{file.path} is damaged: its pictures do not end where it says")
    whole, starts = data.astype(np.uint8).tobytes(), places[:-1]
    return {int(one): whole[start:end] for one, start, end in zip(examples, starts, ends.tolist(), strict=True)}
