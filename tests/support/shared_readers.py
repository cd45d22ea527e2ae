"""Small networks in which what deletes a map is not plain to see, each with the deletion of every map done by hand."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Example:
    """A network, the shape of its input, and for each site the number of its maps and a function that deletes one of them.

    The function `(model, index)` sets to 0 what the layers of the untouched network make of the map.
    """

    model: Any
    shape: tuple[int, ...]
    sites: dict[str, Any]


class Net(nn.Module):
    """A network of the given modules, whose forward pass is a function of the network and its input."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.way = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, images):
        return self.way(self, images)


def conv(inputs, outputs, size=1, **options):
    return nn.Conv2d(inputs, outputs, size, **options)


def read(name, *more):
    """A deletion: input channel `index` of these layers, and where `more` are numbers, the channels that far behind it."""
    names = [name, *[one for one in more if isinstance(one, str)]]
    offsets = [0, *[one for one in more if not isinstance(one, str)]]

    def delete(model, index):
        for layer in names:
            for offset in offsets:
                model.get_submodule(layer).weight[:, index + offset] = 0

    return delete


def group(name, size):
    """A deletion: input channel `index` of a layer that reads groups of `size` channels."""

    def delete(model, index):
        weight = model.get_submodule(name).weight
        rows = len(weight) // (model.get_submodule(name).groups)
        weight[index // size * rows : (index // size + 1) * rows, index % size] = 0

    return delete


def pooled(model, maps):
    return model.fc(maps.mean((2, 3)))


def pyramid(model, images):
    fine = torch.relu(model.a(images))
    coarse = torch.relu(model.b(fine))
    levels = [model.head(torch.sigmoid(level)).amax((2, 3)) for level in (model.p(fine), model.q(coarse))]
    return levels[0] + levels[1]


def unpooled(model, images):
    pooled_maps, places = F.max_pool2d(torch.relu(model.a(images)), 2, return_indices=True)
    inner = torch.sigmoid(model.b(pooled_maps))
    return pooled(model, torch.relu(model.c(F.max_unpool2d(inner, places, 2))))


def ghost(model, images):
    few = torch.relu(model.a(images))
    more = torch.cat([few, torch.relu(model.cheap(few))], 1)
    return pooled(model, torch.relu(more + model.skip(images)))


def half_attention(model, images):
    maps = torch.relu(model.a(images))
    first, second = torch.sigmoid(model.psi(maps)).chunk(2, 1)
    left, right = maps.chunk(2, 1)
    return pooled(model, torch.cat([left * first, right * second], 1))


def grouped_attention(model, images):
    maps = torch.relu(model.a(images))
    parted = maps.unflatten(1, (2, 4)) * torch.sigmoid(model.psi(maps))[:, :, None]
    return pooled(model, parted.flatten(1, 2))


def twice(function):
    return lambda model, images: pooled(model, function(model, function(model, torch.relu(model.a(images)))))


EXAMPLES = {
    "one head over two levels": Example(
        Net(pyramid, a=conv(3, 4), b=conv(4, 6, 3, stride=2), p=conv(4, 5), q=conv(6, 5), head=conv(5, 4, 3)),
        (3, 9, 9),
        {"a": (4, read("b", "p")), "b": (6, read("q")), "p": (5, read("head"))},
    ),
    "a convolution applied to its own output": Example(
        Net(twice(lambda model, maps: torch.relu(model.b(maps))), a=conv(3, 4), b=conv(4, 4, 3, padding=1), fc=nn.Linear(4, 3)),
        (3, 6, 6),
        {"a": (4, read("b", "fc"))},
    ),
    "maps joined along the height": Example(
        Net(
            lambda model, images: pooled(model, model.c(torch.cat([model.a(images).sigmoid(), model.b(images).sigmoid()], 2))),
            a=conv(3, 4), b=conv(3, 4, 3, padding=1), c=conv(4, 5, 3), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("c")), "c": (5, read("fc"))},
    ),
    "a depthwise convolution over maps joined along the height": Example(
        Net(
            lambda model, images: pooled(model, model.c(torch.cat([model.a(images), model.b(images)], 2)).sigmoid()),
            a=conv(3, 4), b=conv(3, 4), c=conv(4, 4, 3, groups=4), fc=nn.Linear(4, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("fc"))},
    ),
    "channels shuffled into pixels": Example(
        Net(
            lambda model, images: pooled(model, torch.relu(model.b(F.pixel_shuffle(torch.relu(model.a(images)), 2)))),
            a=conv(3, 12, 3), b=conv(3, 5, 3), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (3, read("b")), "b": (5, read("fc"))},
    ),
    "unpooling with the indices of a pooling": Example(
        Net(unpooled, a=conv(3, 4, 3, padding=1), b=conv(4, 4, 3, padding=1), c=conv(4, 5, 3), fc=nn.Linear(5, 3)),
        (3, 8, 8),
        {"a": (4, read("b", "c")), "c": (5, read("fc"))},
    ),
    "zeros padded in front": Example(
        Net(
            lambda model, images: pooled(model, torch.relu(model.b(F.pad(torch.relu(model.a(images)), (1, 2, 1, 0))))),
            a=conv(3, 4, 3), b=conv(4, 5, 3), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("b")), "b": (5, read("fc"))},
    ),
    "ones padded in front": Example(
        Net(
            lambda model, images: pooled(model, model.b(F.pad(model.a(images).relu(), (1, 1, 1, 1), value=1.0)).relu()),
            a=conv(3, 4, 3), b=conv(4, 5, 3), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("b")), "b": (5, read("fc"))},
    ),
    "maps concatenated with what is made of them, and added to others": Example(
        Net(ghost, a=conv(3, 4), cheap=conv(4, 4, 3, padding=1, groups=4), skip=conv(3, 8), fc=nn.Linear(8, 3)),
        (3, 6, 6),
        {"a": (4, read("fc", 4))},
    ),
    "pooled concatenations": Example(
        Net(
            lambda model, images: pooled(
                model,
                model.c(F.max_pool2d(torch.cat([model.a(images), model.b(images), images], 1).tanh(), 2)),
            ),
            a=conv(3, 4), b=nn.Sequential(conv(3, 2), nn.AvgPool2d(3, 1, 1)), c=conv(9, 5, 2), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("c")), "b.0": (2, lambda model, index: read("c")(model, index + 4)), "c": (5, read("fc"))},
    ),
    "attention maps for each half": Example(
        Net(half_attention, a=conv(3, 8, 3), psi=conv(8, 2), fc=nn.Linear(8, 3)),
        (3, 6, 6),
        {"a": (4, read("psi", "fc")), "a:2": (4, lambda model, index: read("psi", "fc")(model, index + 4))},
    ),
    "attention maps for each half of a view": Example(
        Net(grouped_attention, a=conv(3, 8, 3), psi=conv(8, 2), fc=nn.Linear(8, 3)),
        (3, 6, 6),
        {"a": (8, read("psi", "fc"))},
    ),
    "a filter of the user's own": Example(
        Net(
            lambda model, images: pooled(model, model.b(F.conv2d(model.a(images), model.blur, groups=model.blur.shape[0]))),
            a=conv(3, 4), b=conv(4, 5), blur=nn.Parameter(torch.rand(4, 1, 3, 3)), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("b")), "b": (5, read("fc"))},
    ),
    "a transposed convolution called as a function": Example(
        Net(
            lambda model, images: pooled(model, F.conv_transpose2d(model.a(images).relu(), model.weight, stride=2)),
            a=conv(3, 4), weight=nn.Parameter(torch.rand(4, 5, 3, 3)), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, lambda model, index: model.weight[index].zero_())},
    ),
    "a shuffle of two by two channels": Example(
        Net(
            lambda model, images: pooled(
                model, model.b(model.a(images).tanh().unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)).sigmoid()
            ),
            a=conv(3, 4), b=conv(4, 5), fc=nn.Linear(5, 3),
        ),
        (3, 6, 6),
        {"a": (4, lambda model, index: read("b")(model, [0, 2, 1, 3][index])), "b": (5, read("fc"))},
    ),
    "branches stacked and added up": Example(
        Net(
            lambda model, images: pooled(model, torch.stack([model.a(images).tanh(), model.b(images).tanh()], 1).sum(1)),
            a=conv(3, 4), b=conv(3, 4, 3, padding=1), fc=nn.Linear(4, 3),
        ),
        (3, 6, 6),
        {"a": (4, read("fc"))},
    ),
    "groups that are normalised together": Example(
        Net(
            lambda model, images: pooled(model, model.norm(model.a(images)).sigmoid()),
            a=conv(3, 6), norm=nn.GroupNorm(3, 6), fc=nn.Linear(6, 3),
        ),
        (3, 6, 6),
        {"a": (3, lambda model, index: read("fc", 1)(model, 2 * index))},
    ),
    "groups": Example(
        Net(
            lambda model, images: pooled(model, model.b(model.a(images).sigmoid()).sigmoid()),
            a=conv(3, 6), b=conv(6, 4, 3, groups=2), fc=nn.Linear(4, 3),
        ),
        (3, 6, 6),
        {"a": (6, group("b", 3)), "b": (4, read("fc"))},
    ),
}  # fmt: skip
