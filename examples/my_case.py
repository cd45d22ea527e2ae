"""A case of your own: any trained network and any data set of (input, label). Run: make oracle CASES=examples/my_case.py"""

import torch
import torchvision

import pruning_oracle as po
from pruning_oracle.bench.registry import case


@case
def my_resnet18(seed: int) -> po.Case:
    """torchvision's ResNet-18. Put your own weights and images here; these are random, and so is what they say."""
    torch.manual_seed(seed)
    model = torchvision.models.resnet18(weights=None, num_classes=10)
    images = torchvision.datasets.FakeData(64, (3, 32, 32), 10, torchvision.transforms.ToTensor(), random_offset=seed)
    return po.case(model.eval(), train=images, test=images, examples=8)
