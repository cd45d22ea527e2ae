"""VGG-16's thirteen convolutions and five poolings at a chosen width, without batch norm (arXiv:1409.1556, table 1, D)."""

from jaxtyping import Float
from torch import Tensor, nn

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """VGG-16 with every stage `shrink` times narrower and one linear classifier, for 32 × 32 images."""

    def __init__(self, channels: int = 1, classes: int = 10, shrink: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = channels
        for stage in STAGES:
            for full in stage:
                conv = nn.Conv2d(width, full // shrink, kernel_size=3, padding=1)
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias) if conv.bias is not None else None
                layers += [conv, nn.ReLU(inplace=True)]
                width = full // shrink
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: Float[Tensor, "example channel height width"]) -> Float[Tensor, "example class"]:
        """Class scores (logits)."""
        return self.classifier(self.features(images).flatten(1))
