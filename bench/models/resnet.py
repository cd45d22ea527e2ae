"""ResNet-14, a small residual network with batch norm; each of its three stages begins with a projection (arXiv:1512.03385)."""

from jaxtyping import Float
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 × 3 convolutions and a shortcut, which is a strided 1 × 1 convolution if `project`, else the identity."""

    def __init__(self, width: int, out: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if project:
            conv = nn.Conv2d(width, out, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, maps: Float[Tensor, "example width height width2"]) -> Float[Tensor, "example out height2 width3"]:
        """Sum of the two branches, then ReLU."""
        branch = self.relu(self.norm1(self.conv1(maps)))
        return self.relu(self.norm2(self.conv2(branch)) + self.shortcut(maps))


class ResNet14(nn.Module):
    """A stem and three stages of two blocks; each stage halves the image, so the stem's maps belong to no residual sum."""

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        stages = []
        for before, out in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
            stages.append(nn.Sequential(Block(before, out, 2, project=True), Block(out, out, 1, project=False)))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, images: Float[Tensor, "example channel height width"]) -> Float[Tensor, "example class"]:
        """Class scores (logits)."""
        return self.classifier(self.pool(self.stages(self.stem(images))).flatten(1))
