"""Writes small pictures of the examples that need some map most beside an oracle's file, for the report.

The network's inputs are what is drawn, so they are the very pixels that it sees: every colour is stretched from its least to
its largest value over these pictures, which undoes a normalisation. A film is a strip of frames. What has neither 1 nor 3
colours, or is no wider than a line, is no picture.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pruning_oracle.bench import runs
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.data.reading.examples import Examples
from pruning_oracle.bench.runs.code_digest import depends_on
from pruning_oracle.bench.runs.pictures import FILE, KIND, packed, worth_showing

MOST = 600  # pictures in a file
SIDE, FILM_SIDE = 64, 48  # pixels of the longer side of an image, and of a film's frame
FRAMES = 4  # of a film
COLOURS = (1, 3)
LEAST, MOST_SLENDER = 4, 8  # pixels of the shorter side, and how many of them the longer one may have
TAIL = 0.001  # share of the values at either end that is cut off: noise and stray values
QUALITY = 45


def write_pictures(case: Case, oracle: Path) -> Path:
    """Writes the pictures that belong to the oracle's file of a case, unless they are up to date; returns their path.

    They are up to date exactly as long as that file is what they were made of. BadInput if something else lies at their place.
    """
    file, place = runs.load(oracle, "oracle"), oracle.with_name(FILE)
    setting = {"oracle": file.checksum} | depends_on(["oracle/pictures.py"])
    if runs.is_current(place, KIND, setting):
        return place
    runs.check_writable(place, runs.run_file(KIND))
    sites = [site["name"] for site in file.facts["sites"]]
    examples = worth_showing((file.arrays[f"change/{site}"] for site in sites), MOST)
    pictures = drawn(case.train, {example: int(file.arrays["rows"][example]) for example in examples})
    facts = {"case": case.name, "seed": case.seed, "oracle": file.checksum, "setting": runs.stamp(setting)}
    runs.save(place, KIND, packed(pictures), facts)
    return place


def drawn(data: Examples, rows: dict[int, int]) -> dict[int, bytes]:
    """Pictures in the format WebP of the examples at some rows, by the same keys; of those that can be shown."""
    small = {key: frames for key, row in rows.items() if (frames := frames_of(data[row][0])) is not None}
    if not small or "WEBP" not in _formats():
        return {}
    values = np.concatenate([frames.reshape(-1, frames.shape[-1]) for frames in small.values()])
    low, high = np.quantile(values, [TAIL, 1 - TAIL], axis=0)
    width = np.where(high > low, high - low, 1)
    return {key: _encoded(np.clip((frames - low) / width, 0, 1)) for key, frames in small.items()}


def frames_of(example: object) -> np.ndarray | None:
    """The frames of a network's input, `[frame, height, width, colour]`, made small; None if it is no picture.

    An image `[colour, height, width]` is one frame; of a film `[colour, time, height, width]` or `[time, colour, height,
    width]` there are a few, spread evenly.
    """
    if not isinstance(example, torch.Tensor) or example.is_complex() or not 3 <= example.ndim <= 4:
        return None
    array = example.detach().cpu().float().numpy()
    film = array.ndim == 4
    if not film:
        array = array[None]
    elif array.shape[0] in COLOURS:
        array = array.transpose(1, 0, 2, 3)
    if array.shape[1] not in COLOURS or not len(array) or not np.isfinite(array).all():
        return None
    sides = array.shape[2:]
    if min(sides) < LEAST or max(sides) > MOST_SLENDER * min(sides):
        return None
    count = min(FRAMES, len(array))
    chosen = array[((np.arange(count) + 0.5) * len(array) / count).astype(int)]
    return np.stack([_shrunk(frame, FILM_SIDE if film else SIDE) for frame in chosen])


def _shrunk(frame: np.ndarray, side: int) -> np.ndarray:
    """A frame `[colour, height, width]` as `[height, width, colour]`, whose longer side has at most so many pixels."""
    scale = min(1.0, side / max(frame.shape[1:]))
    height, width = (max(1, round(scale * length)) for length in frame.shape[1:])
    planes = [Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.BOX) for plane in frame]
    return np.stack([np.asarray(plane) for plane in planes], -1)


def _encoded(frames: np.ndarray) -> bytes:
    """A strip of frames whose colours are 0 to 1, `[frame, height, width, colour]`, as WebP."""
    strip = np.concatenate((255 * frames).round().astype(np.uint8), axis=1)
    image = Image.fromarray(strip[..., 0] if strip.shape[-1] == 1 else strip)
    encoded = io.BytesIO()
    image.convert("RGB").save(encoded, "WEBP", quality=QUALITY, method=6)
    return encoded.getvalue()


def _formats() -> Sequence[str]:
    """The formats that Pillow writes here; some builds lack WebP."""
    Image.init()
    return list(Image.SAVE)
