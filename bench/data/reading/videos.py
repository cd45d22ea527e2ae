"""Reads videos from files by PyAV: frames are decoded one after another and scaled at once, several videos in parallel.

PyAV contains FFmpeg and does not depend on a version of torch. It is imported when the first video is read.
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
from pruning_oracle.bench.data.reading.images import check_sides
from pruning_oracle.bench.errors import BadInput

# FFmpeg's names of what these suffixes hold; a playlist by such a name would open other files
FORMATS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,m4v"
ROOM = 2**30  # bytes of the scaled frames of one video
SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
Window = tuple[int, int]  # the first frame, and the one after the last


@dataclass(frozen=True)
class Screen:
    """How a video is prepared for a network.

    Of its frames, `frames` are taken. Their shorter side is scaled to `resize` pixels, a square of `crop` pixels is cut from
    the middle, and its colours, 0 to 1, are normalised by `mean` and `deviation`.
    """

    frames: int = 80
    resize: int = 120
    crop: int = 112
    colours: int = 1
    mean: tuple[float, ...] = (0.05,)  # of nvGesture's depth videos, 0 to 1, which are mostly black
    deviation: tuple[float, ...] = (0.15,)

    def normalise(self, film: UInt8[Tensor, "time height width colour"]) -> Float[Tensor, "colour time height width"]:
        """Turns the bytes of a video into normalised numbers around 0, with the colours as the first axis."""
        shift, scale = (torch.tensor(part).view(-1, 1, 1, 1) for part in (self.mean, self.deviation))
        return (film.permute(3, 0, 1, 2) / 255 - shift) / scale


def read_frames(path: Path, window: Window | None, screen: Screen) -> UInt8[Tensor, "time height width colour"]:
    """The frames that `screen` shows, spread evenly over a window (None: over the whole video), scaled and cropped.

    BadInput if the video cannot be read or is too short.
    """
    first, end = window or (0, None)
    shown: list[np.ndarray] = []
    for frame in _decoded(path, first, end, screen):
        shown.append(frame)
        if len(shown) * frame.nbytes > ROOM:
            raise BadInput(f"longer than {len(shown):,} frames, which is all that is kept of one video")
    if window and len(shown) < window[1] - first:
        raise BadInput(f"shorter than its window, frames {first} to {window[1]}, of which it has {len(shown)}")
    if not window and len(shown) < screen.frames:
        raise BadInput(f"shorter than the {screen.frames} frames that are wanted, {len(shown)}")
    places = (np.arange(screen.frames) + 0.5) * len(shown) / screen.frames
    return torch.from_numpy(np.stack([shown[int(place)] for place in places]))


def _decoded(path: Path, first: int, end: int | None, screen: Screen) -> Any:
    """The frames from `first` to before `end`, scaled and cropped.

    Earlier frames are decoded as well, since later ones depend on them.
    """
    av = import_av()
    try:
        with av.open(str(path), options={"format_whitelist": FORMATS}) as container:
            if not container.streams.video:
                raise BadInput("no video in it")
            for place, frame in enumerate(container.decode(container.streams.video[0])):
                if place >= first and (end is None or place < end):
                    check_sides(frame.width, frame.height)
                    if frame.is_corrupt:
                        raise BadInput(f"not a readable video, frame {place} is corrupt")
                    yield _small(frame, screen)
                if end is not None and place + 1 >= end:
                    return
    except BadInput:
        raise
    except Exception as error:  # FFmpeg's errors, and what PyAV raises beside them for a damaged file
        raise BadInput(f"not a readable video, {type(error).__name__}") from error


def import_av() -> Any:
    """The module PyAV; BadInput if it is not installed. Only cases with video files need it."""
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
    """A data set of the videos in `clips` (path, window, label), as `screen` shows them."""

    def shown(index: int) -> UInt8[Tensor, "time height width colour"]:
        path, window, _ = clips[index]
        try:
            return read_frames(path, window, screen)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error

    return Decoded([label for _, _, label in clips], shown, screen.normalise)
