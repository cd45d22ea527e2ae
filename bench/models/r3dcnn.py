"""R3DCNN: C3D's eight 3D convolutions over each clip, a fully connected layer, a GRU over the clips (Molchanov 2016)."""

from jaxtyping import Float
from torch import Tensor, nn

# name, maps at full width (C3D, arXiv:1412.0767), pooling after the convolution
LAYERS = (
    ("conv1", 64, (1, 2, 2)),
    ("conv2", 128, (2, 2, 2)),
    ("conv3a", 256, None),
    ("conv3b", 256, (2, 2, 2)),
    ("conv4a", 512, None),
    ("conv4b", 512, (2, 2, 2)),
    ("conv5a", 512, None),
    ("conv5b", 512, (1, 2, 2)),
)


class R3DCNN(nn.Module):
    """R3DCNN on videos cut into clips of `frames` frames.

    The convolutions run on all clips at once, folded into the batch axis. `shrink` divides C3D's numbers of maps.
    """

    def __init__(
        self, classes: int, channels: int = 1, shrink: int = 8, frames: int = 8, hidden: int = 64, positions: int = 1
    ) -> None:
        """Makes the layers; `positions` is how many positions of a clip the last pooling leaves."""
        super().__init__()
        self.frames = frames
        layers: dict[str, nn.Module] = {}
        width = channels
        for name, full, pooling in LAYERS:
            conv = nn.Conv3d(width, full // shrink, kernel_size=3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers[name] = conv
            layers[f"relu{name[4:]}"] = nn.ReLU(inplace=True)
            if pooling is not None:
                layers[f"pool{name[4]}"] = nn.MaxPool3d(pooling)
            width = full // shrink
        self.clip = nn.Sequential()
        for name, layer in layers.items():
            self.clip.add_module(name, layer)
        self.full = nn.Linear(width * positions, hidden)
        self.relu = nn.ReLU(inplace=True)
        self.recurrent = nn.GRU(hidden, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, videos: Float[Tensor, "example channel time height width"]) -> Float[Tensor, "example class"]:
        """Class scores (logits): those of every clip, averaged over the clips."""
        clips = videos.unflatten(2, (-1, self.frames)).transpose(1, 2)  # example, clip, channel, frame, height, width
        count = clips.size(1)
        features = self.relu(self.full(self.clip(clips.flatten(0, 1)).flatten(1)))
        states = self.recurrent(features.unflatten(0, (-1, count)))[0]
        return self.classifier(states).mean(1)
