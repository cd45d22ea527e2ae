"""Random changes of training inputs by torchvision's v2 transforms; a generator decides them, so that runs can be repeated."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def crops(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Of each image a part of at least half its area, scaled to the whole, mirrored half of the time."""
    v2 = transforms()
    part = v2.RandomResizedCrop(inputs.shape[-2:], scale=(0.5, 1.0), antialias=True)
    return _each(v2.Compose([part, v2.RandomHorizontalFlip()]), inputs, generator)


def films(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Of each video the same part of every frame, at least 0.7 of its area; not mirrored, for a gesture has a direction."""
    part = transforms().RandomResizedCrop(inputs.shape[-2:], scale=(0.7, 1.0), antialias=True)
    return _each(part, inputs, generator)


def transforms() -> Any:
    """torchvision's v2 transforms, imported when they are first used: that takes a second which the embedded cases need not."""
    from torchvision.transforms import v2  # noqa: PLC0415 (for that reason)

    return v2


def _each(transform: Callable[[Tensor], Tensor], inputs: Tensor, generator: torch.Generator) -> Tensor:
    """The transform of every example by itself; it draws from torch's own generator, which is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
        return torch.stack([transform(one) for one in inputs])
