"""CNN3, a plain network for CIFAR-10: three times convolution, ReLU and pooling, then two linear layers."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class CNN3(nn.Module):
    """Convolutions of 16, 32 and 64 maps without batch norm; the layers are named as in the published weights."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(1024, 500)
        self.fc2 = nn.Linear(500, classes)

    def forward(self, images: Float[Tensor, "example 3 32 32"]) -> Float[Tensor, "example class"]:
        """Class scores (logits)."""
        maps = images
        for conv in (self.conv1, self.conv2, self.conv3):
            maps = F.max_pool2d(F.relu(conv(maps)), 2)
        return self.fc2(F.relu(self.fc1(maps.flatten(1))))
