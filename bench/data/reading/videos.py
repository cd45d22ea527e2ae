"""Videos from files: frames decoded by PyAV one after another, each made small at once, several videos in parallel.

PyAV brings FFmpeg along and depends on no version of torch. It is imported when the first video is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pruning_oracle.bench.data.reading.decoded import Decoded
from pruning_oracle.bench.errors import BadInput

SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
Window = tuple[int, int]  # first frame, and the one behind the last


@dataclass(frozen=True)
class Screen:
    """What a network sees of a video: so many frames, shorter side scaled to `resize`, a square of `crop` from the middle."""

    frames: int = 80
    resize: int = 120
    crop: int = 112
    colours: int = 1
    mean: tuple[float, ...] = (0.05,)  # of nvGesture's depth, 0 to 1, which is mostly black
    deviation: tuple[float, ...] = (0.15,)

    def normalise(self, film: UInt8[Tensor, "time height width colour"]) -> Float[Tensor, "colour time height width"]:
        """Numbers around 0, colours first."""
        shift, scale = (torch.tensor(part).view(-1, 1, 1, 1) for part in (self.mean, self.deviation))
        return (film.permute(3, 0, 1, 2) / 255 - shift) / scale


def read_frames(path: Path, window: Window | None, screen: Screen) -> UInt8[Tensor, "time height width colour"]:
    """Frames spread evenly over a window (None: over the whole video), as many as the screen takes, small and square."""
    first, end = window or (0, None)
    shown = list(_decoded(path, first, end, screen))
    if window and len(shown) < window[1] - first:
        raise BadInput(f"shorter than its window, frames {first} to {window[1]}, of which it has {len(shown)}")
    if not window and len(shown) < screen.frames:
        raise BadInput(f"shorter than the {screen.frames} frames that are wanted, {len(shown)}")
    places = (np.arange(screen.frames) + 0.5) * len(shown) / screen.frames
    return torch.from_numpy(np.stack([shown[int(place)] for place in places]))


def _decoded(path: Path, first: int, end: int | None, screen: Screen) -> Any:
    """The frames from `first` to before `end`, already small; those before are decoded too, since others build on them."""
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadInput("no video in it")
            for place, frame in enumerate(container.decode(container.streams.video[0])):
                if place >= first and (end is None or place < end):
                    if frame.is_corrupt:
                        raise BadInput(f"not a readable video, frame {place} is corrupt")
                    yield _small(frame, screen)
                if end is not None and place + 1 >= end:
                    return
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BadInput(f"not a readable video, {type(error).__name__}") from error


def import_av() -> Any:
    """PyAV; machines without it can run everything that has no video files."""
    try:
        import av  # noqa: PLC0415 (a machine without it can run all other cases)
    except ImportError as error:
        raise BadInput("videos are read by PyAV, which is not installed here: pip install 'pruning-oracle[video]'") from error
    return av


def _small(frame: Any, screen: Screen) -> np.ndarray:
    scale = screen.resize / min(frame.width, frame.height)
    width, height = max(screen.crop, round(frame.width * scale)), max(screen.crop, round(frame.height * scale))
    kind = "gray" if screen.colours == 1 else "rgb24"
    image = frame.reformat(width, height, kind, interpolation="AREA").to_ndarray()
    left, top = (width - screen.crop) // 2, (height - screen.crop) // 2
    square = image[top : top + screen.crop, left : left + screen.crop]
    return np.ascontiguousarray(square.reshape(screen.crop, screen.crop, screen.colours))


def video_examples(clips: Sequence[tuple[Path, Window | None, int]], screen: Screen) -> Decoded:
    """Videos by path and window with their labels, as a network sees them."""

    def shown(index: int) -> UInt8[Tensor, "time height width colour"]:
        path, window, _ = clips[index]
        try:
            return read_frames(path, window, screen)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error

    return Decoded([label for _, _, label in clips], shown, screen.normalise)
