"""Random small networks that know, from how they were put together, which layers read each of their feature maps.

A network is a list of steps on values, each a tensor `[example, channel, height, width]`. While it is drawn, it is noted which
maps every channel carries. So a map can be deleted by hand, by setting the weights to 0 that multiply the channels that carry
it, without any code of the suite.
"""

from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": F.relu, "silu": F.silu, "sigmoid": torch.sigmoid, "gelu": F.gelu}
Maps = frozenset[int]  # the maps that a channel carries, each by its number


@dataclass
class Value:
    """What a step makes: the maps that each channel carries, and how many positions it has on each side."""

    maps: list[Maps]
    size: int


@dataclass
class Program:
    """The steps of a network, and what is known of its maps."""

    layers: dict[str, nn.Module] = field(default_factory=dict)
    steps: list[tuple[str, tuple[int, ...], object]] = field(default_factory=list)  # operation, values it takes, what else
    values: list[Value] = field(default_factory=lambda: [Value([Maps()] * 3, 8)])
    made: dict[str, list[int]] = field(default_factory=dict)  # convolution -> the map of each output channel
    reads: list[tuple[str, list[Maps]]] = field(default_factory=list)  # a layer, and the maps in each of its input channels

    def add(self, step: str, inputs: tuple[int, ...], more: object, maps: list[Maps], size: int) -> int:
        """Adds a step and its value, whose number it returns."""
        self.steps.append((step, inputs, more))
        self.values.append(Value(maps, size))
        return len(self.values) - 1

    def layer(self, module: nn.Module, reads: list[Maps] | None = None) -> str:
        """Adds a layer, which reads these maps; returns its name."""
        name = f"{type(module).__name__.lower()}{len(self.layers)}"
        self.layers[name] = module
        if reads is not None:
            self.reads.append((name, reads))
        return name

    def make(self, module: nn.Module, reads: list[Maps] | None) -> str:
        """Adds a convolution, which makes new maps; returns its name."""
        name = self.layer(module, reads)
        first = sum(map(len, self.made.values()))
        self.made[name] = list(range(first, first + module.out_channels))
        return name

    def outputs(self, name: str) -> list[Maps]:
        """What each output channel of a convolution carries."""
        return [Maps({one}) for one in self.made[name]]


class Network(nn.Module):
    """A program as a network."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(program.layers)
        self.steps = program.steps

    def forward(self, images):
        """Scores of three classes."""
        values = [images]
        for step, inputs, more in self.steps:
            values.append(STEPS[step](self, *(values[place] for place in inputs), more))
        return values[-1]


def _shuffle(_, value, groups):
    count, channels, height, width = value.size()
    return value.view(count, groups, channels // groups, height, width).transpose(1, 2).reshape(count, channels, height, width)


def _excite(network, value, name):
    return value * torch.sigmoid(network.layers[name](value.mean((2, 3))))[:, :, None, None]


def _unpool(network, value, name):
    pooled, places = F.max_pool2d(value, 2, return_indices=True)
    return F.max_unpool2d(network.layers[name](pooled), places, 2)


STEPS = {
    "layer": lambda network, value, name: network.layers[name](value),
    "activation": lambda _, value, name: ACTIVATIONS[name](value),
    "sum": lambda _, first, second, more: first + second,
    "product": lambda _, first, second, more: first * second,
    "concatenation": lambda _, first, second, more: torch.cat([first, second], 1),
    "half": lambda _, value, which: value.chunk(2, 1)[which],
    "shuffle": _shuffle,
    "pad": lambda _, value, amount: F.pad(value, (amount, 1, 0, amount)),
    "maximum": lambda _, value, more: F.max_pool2d(value, 3, 1, 1),
    "average": lambda _, value, more: F.avg_pool2d(value, 2),
    "upsample": lambda _, value, more: F.interpolate(value, scale_factor=2),
    "pixels": lambda _, value, more: F.pixel_shuffle(value, 2),
    "excite": _excite,
    "unpool": _unpool,
    "head": lambda network, *values: network.layers[values[-1]](torch.cat([value.mean((2, 3)) for value in values[:-1]], 1)),
}


@st.composite
def programs(draw, most=12):
    """A random program of up to `most` steps; its layers have no particular weights yet."""
    program = Program()
    _convolution(draw, program, 0)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(max(0, len(program.values) - 4), len(program.values) - 1))
        draw(st.sampled_from(MOVES))(draw, program, place)
    used = {place for _, inputs, _ in program.steps for place in inputs}
    ends = [place for place in range(1, len(program.values)) if place not in used]  # a map that nothing reads is no map here
    maps = [one for place in ends for one in program.values[place].maps]
    program.add("head", tuple(ends), program.layer(nn.Linear(len(maps), 3), maps), [], 1)
    return program


def _convolution(draw, program, place):
    value = program.values[place]
    size, outputs = draw(st.sampled_from([1, 3])), draw(st.integers(1, 4)) * 2
    groups = draw(st.sampled_from([1, 1, 2])) if len(value.maps) % 2 == 0 and len(value.maps) > 2 else 1
    stride = draw(st.sampled_from([1, 1, 2])) if value.size > 3 else 1
    module = nn.Conv2d(len(value.maps), outputs, size, stride, size // 2, groups=groups, bias=draw(st.booleans()))
    name = program.make(module, list(value.maps))
    return program.add("layer", (place,), name, program.outputs(name), (value.size - 1) // stride + 1)


def _again(draw, program, place):
    """Calls a convolution once more."""
    value = program.values[place]
    fitting = [name for name in program.made if program.layers[name].in_channels == len(value.maps)]
    fitting = [name for name in fitting if program.layers[name].stride == (1, 1)]
    if fitting:
        _call(program, place, draw(st.sampled_from(fitting)))


def _call(program, place, name):
    """Calls a convolution that keeps the number of positions."""
    module, value, maps = program.layers[name], program.values[place], program.outputs(name)
    if module.groups == module.in_channels > 1:
        each = module.out_channels // module.in_channels
        maps = [one | value.maps[channel // each] for channel, one in enumerate(maps)]
    else:
        program.reads.append((name, list(value.maps)))
    return program.add("layer", (place,), name, maps, value.size)


def _depthwise(draw, program, place):
    channels = len(program.values[place].maps)
    if channels > 1:
        each = draw(st.integers(1, 2))
        _call(program, place, program.make(nn.Conv2d(channels, each * channels, 3, padding=1, groups=channels), None))


def _transposed(draw, program, place):
    value = program.values[place]
    if value.size < 9:
        name = program.make(nn.ConvTranspose2d(len(value.maps), draw(st.integers(2, 4)), 2, 2), list(value.maps))
        program.add("layer", (place,), name, program.outputs(name), value.size * 2)


def _same_size(draw, program, place, step, same_width):
    value = program.values[place]
    fitting = [
        other
        for other, two in enumerate(program.values)
        if other > 0 and two.size == value.size and (len(two.maps) == len(value.maps) or not same_width)
    ]
    if place > 0 and fitting:
        other = draw(st.sampled_from(fitting))
        two = program.values[other]
        if same_width:
            maps = [one | another for one, another in zip(value.maps, two.maps, strict=True)]
            program.add(step, (place, other), None, maps, value.size)
        elif len(value.maps) + len(two.maps) < 20:
            program.add(step, (place, other), None, value.maps + two.maps, value.size)


def _sum(draw, program, place):
    _same_size(draw, program, place, "sum", same_width=True)


def _product(draw, program, place):
    _same_size(draw, program, place, "product", same_width=True)


def _concatenation(draw, program, place):
    _same_size(draw, program, place, "concatenation", same_width=False)


def _activation(draw, program, place):
    value = program.values[place]
    program.add("activation", (place,), draw(st.sampled_from(sorted(ACTIVATIONS))), list(value.maps), value.size)


def _norm(draw, program, place):
    value = program.values[place]
    program.add("layer", (place,), program.layer(nn.BatchNorm2d(len(value.maps))), list(value.maps), value.size)


def _group_norm(draw, program, place):
    value = program.values[place]
    half = len(value.maps) // 2
    if len(value.maps) % 2 == 0 and half > 1 and all(value.maps):
        maps = [Maps().union(*value.maps[:half])] * half + [Maps().union(*value.maps[half:])] * half
        program.add("layer", (place,), program.layer(nn.GroupNorm(2, len(value.maps))), maps, value.size)


def _half(draw, program, place):
    value = program.values[place]
    if len(value.maps) % 2 == 0:
        which = draw(st.integers(0, 1))
        half = len(value.maps) // 2
        program.add("half", (place,), which, value.maps[which * half : (which + 1) * half], value.size)


def _shuffled(draw, program, place):
    value = program.values[place]
    if len(value.maps) % 2 == 0:
        half = len(value.maps) // 2
        maps = [one for pair in zip(value.maps[:half], value.maps[half:], strict=True) for one in pair]
        program.add("shuffle", (place,), 2, maps, value.size)


def _simple(step, size):
    def move(draw, program, place):
        value = program.values[place]
        if 1 < size(value.size) < 17:
            program.add(step, (place,), None, list(value.maps), size(value.size))

    return move


def _pixels(draw, program, place):
    value = program.values[place]
    if len(value.maps) % 4 == 0 and len(value.maps) > 4 and value.size < 9 and all(value.maps):
        four = [value.maps[first : first + 4] for first in range(0, len(value.maps), 4)]
        maps = [Maps().union(*channels) for channels in four]
        _convolution(draw, program, program.add("pixels", (place,), None, maps, value.size * 2))


def _excited(draw, program, place):
    value = program.values[place]
    program.add(
        "excite",
        (place,),
        program.layer(nn.Linear(len(value.maps), len(value.maps)), list(value.maps)),
        list(value.maps),
        value.size,
    )


def _unpooled(draw, program, place):
    value = program.values[place]
    if value.size % 2 == 0 and all(value.maps):
        name = program.make(nn.Conv2d(len(value.maps), len(value.maps), 1), list(value.maps))
        maps = [one | another for one, another in zip(value.maps, program.outputs(name), strict=True)]
        program.add("unpool", (place,), name, maps, value.size)


MOVES = [_convolution, _convolution, _again, _depthwise, _transposed, _sum, _sum, _product, _concatenation, _activation, _norm]
MOVES += [_group_norm, _half, _shuffled, _pixels, _excited, _unpooled]
MOVES += [
    _simple("maximum", lambda size: size),
    _simple("average", lambda size: size // 2),
    _simple("upsample", lambda size: 2 * size),
]
