"""Residual networks for CIFAR-10 (arXiv:1512.03385, section 4.2) with option-A shortcuts, named as in published weights."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3 × 3 convolutions; where the width changes, the shortcut takes every other pixel and adds channels of zeros."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.stride, self.extra = stride, out - width

    def forward(self, maps: Float[Tensor, "example channel height width"]) -> Float[Tensor, "example out height2 width2"]:
        """Sum of the two branches, then ReLU."""
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        if self.extra:
            half = self.extra // 2
            maps = F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return F.relu(branch + maps)


class CifarResNet(nn.Module):
    """A stem and three stages of 16, 32 and 64 maps: with 3 blocks each ResNet-20, with 5 ResNet-32, with 7 ResNet-44."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(blocks)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), *(Block(32, 32, 1) for _ in range(blocks - 1)))
        self.layer3 = nn.Sequential(Block(32, 64, 2), *(Block(64, 64, 1) for _ in range(blocks - 1)))
        self.linear = nn.Linear(64, classes)

    def forward(self, images: Float[Tensor, "example 3 height width"]) -> Float[Tensor, "example class"]:
        """Class scores (logits)."""
        maps = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(images))))))
        return self.linear(maps.mean((2, 3)))
