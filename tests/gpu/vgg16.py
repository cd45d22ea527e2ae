"""VGG-16 at 224², random weights and images: rates of every way and precision, and an estimated oracle, really run."""

import time
from collections.abc import Iterator
from typing import Any

import torch
import torchvision
from torch import Tensor
from torch.utils.data import Dataset

from gpu.rates import IMAGES, rates
from pruning_oracle.bench.case import Case
from pruning_oracle.bench.device import finish
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.models.vgg import VGG16
from pruning_oracle.bench.network import memory
from pruning_oracle.oracle.estimated.goal import Goal
from pruning_oracle.oracle.estimated.sampling import Sampling
from pruning_oracle.oracle.exact.replay import Replay

SECONDS = 60.0


class RandomImages(Dataset[tuple[Tensor, int]]):
    """Images of noise, each made from its place when it is asked for."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return torch.randn(3, self.size, self.size, generator=torch.Generator().manual_seed(place)), place % 10


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """The rates, and the estimated oracle at a budget of 5 % on as many images as a minute is likely to suffice for."""
    torch.manual_seed(0)
    model = VGG16(3, shrink=16) if tiny else torchvision.models.vgg16(weights=None)
    images = RandomImages(12 if tiny else 2 * IMAGES, 32 if tiny else 224)
    case = assemble(model.eval(), images, images)
    precisions = ["bfloat16", "float32", *(["tf32"] if device.type == "cuda" else [])]
    for fact in rates(case, device, 24 if tiny else 264, 4 if tiny else 32, precisions, 256 if tiny else 8192):
        yield fact
        if fact["way"] == "replay" and fact["precision"] == "bfloat16":
            yield estimated(case.to(str(device), "bfloat16"), fact["pairs per second"], tiny)


def estimated(case: Case, rate: float, tiny: bool) -> dict[str, Any]:
    """Runs an estimated oracle at a budget of 5 % and says what it came to; `rate` is replay's in pairs per second."""
    maps, goal = sum(site.maps for site in case.sites), Goal(0.3 if tiny else 0.05, SECONDS)
    images = 6 if tiny else max(32, min(IMAGES, int(0.5 * rate * SECONDS / (goal.share * maps))))
    held = memory.default_memory(case.device)
    began = time.perf_counter()
    found = Sampling(case, Replay(case, held), range(images), memory.batch_size(case, held)).run(goal)
    finish()
    seconds = time.perf_counter() - began
    said = {"estimated oracle": str(goal), "images": images, "maps": maps, "share measured": found.share}
    return said | {"rounds": found.rounds, "seconds": seconds, "pairs per second": found.share * images * maps / seconds}
