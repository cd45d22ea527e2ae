"""Random changes of training inputs by torchvision's v2 transforms, seeded by a generator so that runs can be repeated."""

from collections.abc import Callable

import torch
from torch import Tensor

from pruning_oracle.bench.data.reading.images import transforms


def crops(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Crops each image to a random part of at least half its area, scaled to the full size, and mirrors half of the images."""
    v2 = transforms()
    part = v2.RandomResizedCrop(inputs.shape[-2:], scale=(0.5, 1.0), antialias=True)
    return _each(v2.Compose([part, v2.RandomHorizontalFlip()]), inputs, generator)


def films(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Shifts and scales each video and changes its pace at random; does not mirror it, because gestures have a direction."""
    v2, dark = transforms(), inputs.min().item()
    moved = v2.RandomAffine(0, (0.1, 0.1), scale=(0.85, 1.15), interpolation=v2.InterpolationMode.BILINEAR, fill=dark)
    return _each(lambda video: moved(_played(video)), inputs, generator)


def _played(video: Tensor) -> Tensor:
    """A video `[colour, time, height, width]` at 0.85 to 1.15 of its pace, up to a twentieth of its length earlier or later."""
    count, (pace, late) = video.shape[1], (2 * torch.rand(2) - 1).tolist()
    middle = (count - 1) / 2
    places = middle + (torch.arange(count) - middle) * (1 + 0.15 * pace) + 0.05 * count * late
    return video[:, places.round().long().clamp(0, count - 1)]


def _each(transform: Callable[[Tensor], Tensor], inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Transforms every example separately. The transform draws from torch's global generator, whose state is restored."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
        return torch.stack([transform(one) for one in inputs])
