"""Networks with every kind of operation that sites and costs must handle, and a way to remove one of their maps."""

import functools

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.data import TensorDataset
from toys import randomise

from pruning_oracle.bench.case import Site
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network.gates import Gate, gated

NETWORKS = {
    "alexnet": (3, 64, 64),
    "vgg16_bn": (3, 32, 32),
    "resnet18": (3, 32, 32),
    "densenet121": (3, 32, 32),
    "googlenet": (3, 64, 64),
    "mobilenet_v2": (3, 32, 32),
    "mobilenet_v3_small": (3, 32, 32),
    "squeezenet1_1": (3, 32, 32),
    "r3d_18": (3, 4, 32, 32),
}


QUICK = {"resnet18", "mobilenet_v3_small", "squeezenet1_1"}  # of torchvision's networks; tests of the others are slow


def sweep(names):
    """Network names to parametrize a test with; those that take long are marked slow."""
    return [name if name in QUICK or name.endswith("-digits") else pytest.param(name, marks=pytest.mark.slow) for name in names]


def network(name):
    torch.manual_seed(0)
    family = torchvision.models.video if name == "r3d_18" else torchvision.models
    extra = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(family, name)(weights=None, num_classes=10, **extra)
    if name in {"alexnet", "vgg16_bn"}:  # the hundred million weights of its own classifier only take time
        model.classifier = nn.Linear(model.classifier.get_submodule("1" if name == "alexnet" else "0").in_features, 10)
    return randomise(model).double()


def removed(model, site, index, inputs):
    value = torch.ones(len(inputs), site.maps, dtype=inputs.dtype)
    value[:, index] = 0
    with torch.no_grad(), gated(model, {site: value}):
        return model(inputs)


class Multiplied(nn.Module):
    """A network whose depthwise convolution makes two maps of each one that it reads."""

    def __init__(self, maps=3):
        super().__init__()
        self.conv = nn.Conv2d(1, maps, 3)
        self.depthwise = nn.Conv2d(maps, 2 * maps, 3, groups=maps)
        self.read = nn.Linear(2 * maps, 2)

    def forward(self, images):
        return self.read(torch.tanh(self.depthwise(torch.sigmoid(self.conv(images)))).mean((2, 3)))


class OptionA(nn.Module):
    """A network whose shortcut is padded with channels of zeros, as in ResNets for CIFAR."""

    def __init__(self):
        super().__init__()
        self.narrow = nn.Conv2d(1, 2, 3, padding=1)
        self.wide = nn.Conv2d(2, 4, 3, padding=1)
        self.read = nn.Linear(4, 3)

    def forward(self, images):
        narrow = torch.relu(self.narrow(images))
        return self.read(torch.relu(self.wide(narrow) + nn.functional.pad(narrow, (0, 0, 0, 0, 1, 1))).mean((2, 3)))


class Shapes(nn.Module):
    """Difficult cases for the site finder: `kind` chooses the branch that follows a convolution of four maps."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.gates = nn.ModuleList([nn.Conv2d(1, 4, 3, padding=1)])  # a name that the site finder would use itself
        self.conv_2 = nn.Conv2d(4, 4, 3, padding=1)
        self.psi = nn.Conv2d(4, 1, 1)
        self.token = nn.Linear(36, 36)
        self.line = nn.Conv1d(1, 1, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(4, 1, 3, 3))
        self.bias = nn.Parameter(torch.rand(4) + 0.1)
        self.recurrent = nn.LSTM(4, 5)
        self.read = nn.Linear({"rnn": 5}.get(kind, 4), 2)

    def forward(self, images, extra=None, flag=False):
        h = torch.relu(self.gates[0](input=images))
        if extra is not None or flag:
            return extra
        if self.kind == "residual":
            h = torch.relu(h + self.conv_2(h))
        elif self.kind == "attention":
            h = h * torch.sigmoid(self.psi(h))
        elif self.kind == "channels":
            h = h * torch.sigmoid(self.line(h.mean((2, 3))[:, None]))[:, 0, :, None, None]
        elif self.kind == "token":
            h = self.token(h.flatten(2)).unflatten(2, (6, 6))
        elif self.kind == "depthwise":
            h = nn.functional.conv2d(h, self.weight, self.bias, padding=1, groups=4)
        elif self.kind == "inplace":
            b = self.conv_2(h)
            b.add_(h)
            b.sigmoid_()
            h = b
        elif self.kind == "folded":
            h = torch.cat(h.chunk(2, 2), 0)
            h = torch.sigmoid(h.mean((2, 3)))
            return self.read(h[: h.size(0) // 2] + h[h.size(0) // 2 :])
        elif self.kind == "rnn":
            return self.read(self.recurrent(torch.sigmoid(h.flatten(2).permute(2, 0, 1)))[0][-1])
        elif self.kind == "norm":
            h = torch.softmax(h.flatten(2), 2).unflatten(2, (6, 6))
        return self.read(h.mean((2, 3)))


def case_of(model, *shape, **options):
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(6, *shape), torch.zeros(6, dtype=torch.long))
    return assemble(model.eval(), data, data, examples=3, **options)


class Chain(nn.Module):
    """A convolution of four maps, ReLU, the layer `behind` as `forward` calls it, and a linear layer from `width` to 2."""

    def __init__(self, behind, forward, width):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.behind, self.way = behind, forward
        self.read = nn.Linear(width, 2)

    def forward(self, images):
        return self.read(self.way(self.behind, torch.relu(self.conv(images))))


def over_rows(recurrent, maps):
    """The last output of a recurrent layer over the rows of maps, with steps in axis 0 and examples in axis 1 (the default)."""
    return recurrent(maps.mean(3).permute(2, 0, 1))[0][-1]


CHAINS = {
    "steps before examples": (nn.LSTM(4, 3), over_rows, 3),
    "both directions, two layers": (nn.GRU(4, 3, num_layers=2, bidirectional=True), over_rows, 6),
    "transposed": (nn.ConvTranspose2d(4, 5, 3, stride=2), lambda layer, maps: torch.relu(layer(maps)).mean((2, 3)), 5),
    "groups": (nn.Conv2d(4, 6, 3, groups=2), lambda layer, maps: torch.relu(layer(maps)).mean((2, 3)), 6),
    "one dimension": (nn.Conv1d(4, 5, 3), lambda layer, maps: torch.relu(layer(maps.mean(3))).mean(2), 5),
    "linear along positions": (
        nn.Linear(36, 3, bias=False),
        lambda layer, maps: layer(maps.flatten(2)).mean(2),
        4,
    ),
    "linear at every position": (nn.Linear(4, 5), lambda layer, maps: torch.relu(layer(maps.flatten(2).mT)).mean(1), 5),
}


class Carried(nn.Module):
    """A network that carries its own gate, in front of a depthwise convolution that its site does not name."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1)
        self.gate = Gate(3)
        self.depthwise = nn.Conv2d(3, 6, 3, groups=3)
        self.read = nn.Linear(6, 2)

    def forward(self, images):
        return self.read(self.depthwise(self.gate(torch.relu(self.conv(images)))).mean((2, 3)))


class Packed(Carried):
    """A network that carries its own gate, and whose recurrent layer reads a packed sequence."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(3, 6, batch_first=True)

    def forward(self, images):
        steps = self.gate(self.conv(images)).flatten(2).mT
        packed = nn.utils.rnn.pack_padded_sequence(steps, torch.full((len(steps),), 16), batch_first=True)
        return self.read(self.recurrent(packed)[1][0][0])


class Own(nn.Module):
    """A 1 × 1 convolution to three maps that is not one of torch's layers."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 1, 1, 1))

    def forward(self, images):
        return images * self.kernel.view(1, 3, 1, 1)


def own_case():
    """A case whose maps are made by `Own`, which is not one of torch's layers."""
    model = Carried()
    model.conv = Own()
    return case_of(model, 1, 4, 4, carried=[Site("conv", 3, ("conv",), ("gate",), ((0, 1, 2),))])


@functools.cache
def torchvision_case(name):
    """A torchvision network in float32, and a case around it."""
    model = network(name).float()
    return model, case_of(model, *NETWORKS[name])


class Twice(nn.Module):
    """A convolution and its gate, called twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.read = nn.Conv2d(3, 3, 3, padding=1), Gate(3), nn.Linear(3, 3)

    def forward(self, x):
        for _ in range(2):
            x = self.gate(torch.relu(self.conv(x)))
        return self.read(x.mean((2, 3)))
