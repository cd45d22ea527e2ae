"""Generated gesture videos: a moving, deforming hand-like shape with noise, clutter and occlusion.

Five motions come in two directions, and one direction is the other played backwards. So both directions have exactly the same
kinds of frames, and only their order in time tells them apart; a network that ignores it reaches an accuracy of 7/12 at best.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

FRAMES, SIZE = 24, 32
# name, motion, played backwards
GESTURES = (
    ("swipe left", "across", False),
    ("swipe right", "across", True),
    ("swipe up", "upward", False),
    ("swipe down", "upward", True),
    ("push", "grow", False),
    ("pull", "grow", True),
    ("rotate clockwise", "rotate", False),
    ("rotate anticlockwise", "rotate", True),
    ("circle clockwise", "circle", False),
    ("circle anticlockwise", "circle", True),
    ("wave", "wave", False),
    ("still", "still", False),
)
CLASSES = len(GESTURES)
ORDERLESS = 7 / 12  # the best accuracy if the order in time is ignored: 2 classes are certain, 5 pairs are coin flips
# the hand in its own frame, palm radius about 1: each finger's angle (0 is up), length and half width
FINGERS = ((-1.15, 1.5, 0.26), (-0.45, 2.0, 0.22), (-0.12, 2.2, 0.22), (0.2, 2.1, 0.22), (0.52, 1.8, 0.2))


@dataclass(frozen=True)
class Pose:
    """The hand over time, each field `[time]`.

    The centre (`right`, `down`) and the palm's `radius` are in half image widths, `turn` is in radians, and `spread` is a
    factor of the fingers' angles.
    """

    right: np.ndarray
    down: np.ndarray
    radius: np.ndarray
    turn: np.ndarray
    spread: np.ndarray


def pose(motion: str, random: np.random.Generator) -> Pose:
    """The hand during one motion, played forwards, with random variations."""
    start, length = random.uniform(0.0, 0.25), random.uniform(0.5, 0.75)  # where in the video the motion happens
    clock = np.linspace(0, 1, FRAMES)
    move = np.clip((clock - start) / length, 0, 1)
    move = move * move * (3 - 2 * move)  # eases in and out
    still = np.zeros(FRAMES)
    drift = np.cumsum(random.normal(0, 0.012, (3, FRAMES)), axis=1)
    right, down = random.uniform(-0.25, 0.25, 2)
    radius, turn = random.uniform(0.2, 0.3), random.uniform(-0.4, 0.4)
    reach = random.uniform(0.9, 1.2)
    phase = random.uniform(0, 2 * np.pi)
    courses = {
        "across": (reach * (0.5 - move), still, still, still),
        "upward": (still, reach * (0.5 - move), still, still),
        "grow": (still, still, np.log(random.uniform(1.8, 2.4)) * (move - 0.5), still),
        "rotate": (still, still, still, random.uniform(1.3, 1.9) * (move - 0.5)),
        "circle": (0.4 * np.cos(2 * np.pi * move + phase), 0.4 * np.sin(2 * np.pi * move + phase), still, still),
        "wave": (still, still, still, 0.6 * np.sin(2 * np.pi * random.uniform(1.5, 2.5) * clock + phase)),
        "still": (still, still, still, still),
    }
    x, y, growth, turning = courses[motion]
    wobble = 0.25 * np.sin(2 * np.pi * random.uniform(0.5, 1.5) * clock + random.uniform(0, 2 * np.pi))
    return Pose(
        right=right + x + drift[0],
        down=down + y + drift[1],
        radius=radius * np.exp(growth),
        turn=turn + turning + drift[2],
        spread=1 + wobble,
    )


def draw(hand: Pose) -> Float[np.ndarray, "time height width"]:
    """Draws the hand as soft grey shapes, 0 outside and 1 inside."""
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    steps = [part.astype(np.float32)[:, None, None] for part in (hand.right, hand.down, hand.radius, hand.turn, hand.spread)]
    right, down, radius, turn, spread = steps
    x, y = (axis[None, None, :] - right) / radius, (axis[None, :, None] - down) / radius
    x, y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    outside = np.hypot(x, y / 1.1) - 0.9  # signed distance to the palm
    for angle, length, half in FINGERS:
        along_x, along_y = np.sin(angle * spread), -np.cos(angle * spread)
        along = np.clip(x * along_x + y * along_y, 0, length)
        outside = np.minimum(outside, np.hypot(x - along * along_x, y - along * along_y) - half)
    return 1 / (1 + np.exp(np.clip(outside * radius * SIZE * 1.5, -30, 30)))


def clutter(random: np.random.Generator) -> Float[np.ndarray, "height width"]:
    """Draws a background of a few soft blobs."""
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    scene = np.zeros((SIZE, SIZE), dtype=np.float32)
    for _ in range(random.integers(1, 5)):
        x, y = random.uniform(-1, 1, 2)
        width, height = random.uniform(0.1, 0.4, 2)
        scene += random.uniform(0.1, 0.35) * np.exp(-(((axis[None] - x) / width) ** 2) - ((axis[:, None] - y) / height) ** 2)
    return scene


def video(label: int, random: np.random.Generator) -> Float[Tensor, "1 time height width"]:
    """Draws one video of the gesture `label`; pixels are about −1 to 1."""
    _, motion, backwards = GESTURES[label]
    hand = draw(pose(motion, random))
    frames = np.maximum(clutter(random)[None], random.uniform(0.6, 1.0) * hand)
    if random.random() < 0.5:  # a bar in front of the scene for part of the time
        first, lasting = random.integers(0, FRAMES), random.integers(4, 12)
        place, thick = random.integers(0, SIZE), random.integers(3, 8)
        where = (
            (slice(place, place + thick), slice(None)) if random.random() < 0.5 else (slice(None), slice(place, place + thick))
        )
        frames[(slice(first, first + lasting), *where)] = random.uniform(0, 0.6)
    frames += random.normal(0, random.uniform(0.02, 0.12), frames.shape)
    if backwards:
        frames = frames[::-1]
    return torch.from_numpy(np.ascontiguousarray(frames, dtype=np.float32) * 2 - 1)[None]


class Gestures(Dataset[tuple[Tensor, Tensor]]):
    """A data set of `count` videos, in which the classes take turns; a video depends only on `stream` and its index.

    Different `stream` numbers give disjoint random streams: 0 is for training, 1 for testing.
    """

    def __init__(self, count: int, stream: int) -> None:
        self.count, self.stream = count, stream

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "1 time height width"], Tensor]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return _drawn(self.stream, index), torch.tensor(index % CLASSES)


@functools.lru_cache(maxsize=1024)
def _drawn(stream: int, index: int) -> Float[Tensor, "1 time height width"]:
    """The video at an index, cached, since drawing one takes longer than a small network's forward pass."""
    return video(index % CLASSES, np.random.default_rng([stream, index]))
