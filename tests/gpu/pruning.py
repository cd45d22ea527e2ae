"""A pruning step with surgery, and latencies of a whole and a narrower network."""

from collections.abc import Iterator
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from pruning_oracle.bench import clock
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.pruning import latency
from pruning_oracle.pruning.loop.loop import Loop
from pruning_oracle.pruning.loop.state import start

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
SIZES = (1, 16, 128)


def facts(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """What a step took and left; then milliseconds per pass at each number of examples, by turns."""
    yield step(device)
    both = [vgg16(share, 16 if tiny else 1).to(device) for share in (1.0, 0.5)]
    for size in (1, 2) if tiny else SIZES:
        images = torch.randn(size, 3, 32 if tiny else 224, 32 if tiny else 224, device=device)
        with torch.no_grad():
            taken = latency.interleaved(*(latency.turns(lambda model=model: model(images)) for model in both))  # type: ignore[misc]  # noqa: B023
        medians = [1e3 * sorted(seconds)[len(seconds) // 2] for seconds in taken]
        said = {"latency": "VGG-16, whole and at half its width", "batch": size, "passes": len(taken[0])}
        yield said | {"median, ms": medians, "times as fast": medians[0] / medians[1]}


def step(device: torch.device) -> dict[str, Any]:
    """One removal of an eighth of the maps of resnet-digits, with the deletion's check and ten updates."""
    case = load("resnet-digits", 0).to(str(device), "float32")
    maps = sum(site.maps for site in case.sites)
    settings = PruningSettings(remove=maps // 8, updates=10, rate=1e-3, batch=32, target=Target("maps", 0.9), final_updates=0)
    states: list[Any] = []
    seconds = clock.once(
        lambda: states.append(Loop(start(case), settings, choose_criteria(["taylor"])[0], lambda state: None).run())
    )
    rows = states[0].rows
    found: Tensor = next(iter(states[0].pruned.case.model.parameters()))
    return {"step": settings.facts, "seconds": seconds, "maps": [row["maps"] for row in rows], "device": found.device.type}


def vgg16(share: float, shrink: int) -> nn.Module:
    """torchvision's VGG-16 with random weights and that share of its maps; `shrink` divides them once more."""
    widths: list[Any] = [part if isinstance(part, str) else max(1, int(part * share / shrink)) for part in VGG16]
    model = torchvision.models.VGG(torchvision.models.vgg.make_layers(widths, batch_norm=False), init_weights=False)
    model.classifier[0] = nn.Linear(widths[-2] * 49, 4096 // shrink)
    model.classifier[3] = nn.Linear(4096 // shrink, 4096 // shrink)
    model.classifier[6] = nn.Linear(4096 // shrink, 1000)
    return model.eval()
