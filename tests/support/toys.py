"""Networks small enough to compute by hand, and cases around them."""

import torch
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset

from pruning_oracle.bench.case import Case
from pruning_oracle.bench.loading.assemble import assemble


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Gives a model, in place, random biases and batch norms, so that no zero or one hides a term; returns it in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.3, generator=generator)
        elif isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) and module.bias is not None:
            nn.init.normal_(module.bias, 0, 0.3, generator=generator)
    return model.eval()


class Pixel(nn.Module):
    """A network of one pixel: three maps with weights 1, 2 and −1, ReLU, and a linear layer to a single output, the loss."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.read = nn.Linear(3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 2.0, -1.0]).view(3, 1, 1, 1))
            self.read.weight.copy_(torch.tensor([[10.0, -1.0, 5.0]]))

    def forward(self, images):
        return self.read(self.relu(self.conv(images)).flatten(1))


def output_is_loss(output, labels):
    """The network's single output as its loss."""
    return output[:, 0]


def pixel_case() -> Case:
    """A case of `Pixel` on pixels 1, 2, −3 and 4, whose maps are (1, 2, 0), (2, 4, 0), (0, 0, 3), (4, 8, 0) by hand."""
    images = torch.tensor([1.0, 2.0, -3.0, 4.0]).view(4, 1, 1, 1)
    data = ConcatDataset(2 * [TensorDataset(images, torch.tensor([0, 1, 0, 1]))])
    return assemble(Pixel().eval(), data, data, loss=output_is_loss)


class Plain(nn.Module):
    """A network without branches: convolution, batch norm, ReLU, pooling, convolution, ReLU, linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 4, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(4 * 16, 3)

    def forward(self, images):
        return self.classifier(self.features(images).flatten(1))


class Residual(nn.Module):
    """A network with a residual sum, a depthwise convolution, and a concatenation followed by a second batch norm."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.branch = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.side = nn.Conv2d(4, 3, 1)
        self.late = nn.BatchNorm2d(7)
        self.mix = nn.Conv2d(7, 5, 1)
        self.classifier = nn.Linear(5, 3)

    def forward(self, images):
        stream = torch.relu(self.stem(images))
        stream = torch.relu(stream + self.norm(self.branch(stream)))
        both = torch.cat([self.depthwise(stream), self.side(stream)], 1)
        return self.classifier(torch.relu(self.mix(torch.relu(self.late(both)))).mean((2, 3)))


class Clips(nn.Module):
    """A video network: clips folded into the batch axis, a 3D convolution, then a GRU over the clips."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 3, 3, padding=1)
        self.recurrent = nn.GRU(3, 4, batch_first=True)
        self.classifier = nn.Linear(4, 3)

    def forward(self, videos):
        clips = videos.unflatten(2, (2, 4)).transpose(1, 2).flatten(0, 1)
        features = torch.relu(self.conv(clips)).mean((2, 3, 4)).unflatten(0, (-1, 2))
        return self.classifier(self.recurrent(features)[0][:, -1])


class Twice(nn.Module):
    """A network that calls one convolution on both halves of the image, so that its maps have a gate for each call."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.classifier = nn.Linear(8, 3)

    def forward(self, images):
        halves = [torch.relu(self.conv(half)).mean((2, 3)) for half in (images[:, :, :4], images[:, :, 4:])]
        return self.classifier(torch.cat(halves, 1))


TOYS = {
    "plain": (Plain, (2, 8, 8)),
    "residual": (Residual, (2, 6, 6)),
    "clips": (Clips, (1, 8, 6, 6)),
    "twice": (Twice, (1, 8, 8)),
}


def toy_case(name: str, examples: int = 12, precision: str = "float64") -> Case:
    """A case around the toy of that name, with random weights, `examples` oracle examples and three classes."""
    build, shape = TOYS[name]
    torch.manual_seed(1)
    data = TensorDataset(torch.randn(2 * examples, *shape), torch.randint(0, 3, (2 * examples,)))
    return assemble(randomise(build()), data, data, examples=examples).to("cpu", precision)
