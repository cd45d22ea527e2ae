"""Small networks that hold their maps in places where a smaller network must lose them too, one function for each place."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from torchvision.ops.misc import FrozenBatchNorm2d
from toys import randomise

from pruning_oracle.bench.loading.assemble import assemble


class Network(nn.Module):
    """A convolution from 3 channels to `maps`, what `parts` and `way` make of it, and a linear layer from `width` channels."""

    def __init__(self, maps, width, way, **parts):
        super().__init__()
        self.stem = nn.Conv2d(3, maps, 3, padding=1)
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self.way, self.read = way, nn.Linear(width, 4)

    def forward(self, images):
        return self.read(self.way(self, torch.relu(self.stem(images))))


def mean(x):
    return x.mean((2, 3))


class NormAct(nn.BatchNorm2d):
    """A batch norm with an activation inside, as timm's."""

    def forward(self, x):
        return torch.relu(F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps))


class Scale(nn.Module):
    """A scale and a shift of every channel, in the shapes of ConvNeXt's and of a plain vector."""

    def __init__(self, maps):
        super().__init__()
        self.gamma, self.shift = nn.Parameter(torch.rand(maps) + 0.5), nn.Parameter(torch.randn(1, maps, 1, 1))

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) * self.gamma).permute(0, 3, 1, 2) + self.shift


class Excite(nn.Module):
    """Squeeze and excitation by linear layers, with the number of channels written into a view."""

    def __init__(self, maps):
        super().__init__()
        self.down, self.up, self.maps = nn.Linear(maps, 3), nn.Linear(3, maps), maps

    def forward(self, x):
        return x * torch.sigmoid(self.up(torch.relu(self.down(mean(x))))).view(-1, self.maps, 1, 1)


def frozen_norm():
    norm = FrozenBatchNorm2d(6)
    norm.bias.normal_()
    norm.running_mean.normal_()
    return Network(6, 5, lambda m, x: mean(torch.relu(m.b(m.norm(x)))), norm=norm, b=nn.Conv2d(6, 5, 3))


def norm_with_activation():
    return Network(6, 5, lambda m, x: mean(m.norm_b(m.b(m.norm(x)))), norm=NormAct(6), b=nn.Conv2d(6, 5, 3), norm_b=NormAct(5))


def parameters_per_channel():
    return Network(6, 5, lambda m, x: mean(torch.relu(m.b(m.scale(x))) * m.mul), scale=Scale(6), b=nn.Conv2d(6, 5, 3),
                   mul=nn.Parameter(torch.rand(1, 5, 1, 1)))  # fmt: skip


def parameter_computed_before_use():
    return Network(6, 6, lambda m, x: mean(x * torch.exp(m.log).view(1, 6, 1, 1)), log=nn.Parameter(torch.randn(6)))


def shared_slope():
    return Network(6, 5, lambda m, x: mean(m.act(m.b(m.act(x - 0.5)))), act=nn.PReLU(), b=nn.Conv2d(6, 5, 1))


def slopes_called_as_a_function():
    return Network(6, 6, lambda m, x: mean(F.prelu(x + 0.5, m.slopes)), slopes=nn.Parameter(torch.rand(6)))


def norms_of_single_channels():
    def way(m, x):
        return mean(torch.relu(m.b(m.instance(m.group(x)))) ** 2)

    group, instance = nn.GroupNorm(6, 6), nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
    nn.init.normal_(group.bias)
    nn.init.normal_(instance.weight)
    return Network(6, 5, way, group=group, instance=instance, b=nn.Conv2d(6, 5, 3))


def excitation():
    return Network(6, 6, lambda m, x: mean(m.excite(x)), excite=Excite(6))


def grouped():
    def way(m, x):
        return mean(torch.relu(m.b(torch.relu(m.norm(m.g(x))))))

    return Network(8, 6, way, g=nn.Conv2d(8, 12, 3, padding=1, groups=4), norm=nn.BatchNorm2d(12), b=nn.Conv2d(12, 6, 1))


def grouped_twice():
    def way(m, x):
        return mean(torch.relu(m.h(torch.relu(m.g(x)))))

    return Network(8, 8, way, g=nn.Conv2d(8, 8, 3, groups=2), h=nn.Conv2d(8, 8, 3, groups=4, bias=False))


def grouped_transposed():
    return Network(6, 4, lambda m, x: mean(torch.relu(m.g(x))), g=nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2))


def grouped_residual():
    return Network(8, 8, lambda m, x: mean(torch.relu(m.g(x) + x)), g=nn.Conv2d(8, 8, 3, padding=1, groups=4))


def multiplier():
    return Network(3, 6, lambda m, x: mean(m.depthwise(x)), depthwise=nn.Conv2d(3, 6, 3, groups=3))


def shuffled(x, n=-1):
    return x.view(n, 2, 4, 8, 8).transpose(1, 2).reshape(n, 8, 8, 8)


def shuffle_by_numbers():
    return Network(8, 5, lambda m, x: mean(torch.relu(m.b(shuffled(x)))), b=nn.Conv2d(8, 5, 3))


def shuffle_by_sizes():
    def way(m, x):
        n, c, h, w = x.size()
        return mean(torch.relu(m.b(x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))))

    return Network(8, 5, way, b=nn.Conv2d(8, 5, 3))


def shuffle_module():
    return Network(
        8, 5, lambda m, x: mean(torch.relu(m.b(m.shuffle(x)))), b=nn.Conv2d(8, 5, 3, groups=1), shuffle=nn.ChannelShuffle(2)
    )


def shuffle_and_groups():
    def way(m, x):
        return mean(torch.relu(m.b(shuffled(torch.relu(m.a(x))))))

    return Network(8, 8, way, a=nn.Conv2d(8, 8, 1, groups=2), b=nn.Conv2d(8, 8, 3, groups=2))


def halves():
    def way(m, x):
        first, second = x.chunk(2, 1)
        return mean(torch.relu(m.a(torch.cat([second, torch.relu(m.b(first))], 1))))

    return Network(8, 5, way, a=nn.Conv2d(7, 5, 1), b=nn.Conv2d(4, 3, 3, padding=1))


def split_by_numbers():
    def way(m, x):
        first, second, third = torch.split(x, [2, 3, 3], 1)
        return torch.cat([mean(torch.relu(m.a(first))), mean(m.b(x[:, 2:5])), mean(second * 2), mean(third[:, 1:])], 1)

    return Network(8, 11, way, a=nn.Conv2d(2, 3, 1), b=nn.Conv2d(3, 3, 1))


def slices_by_sizes():
    def way(m, x):
        half = x.shape[1] // 2
        return mean(torch.relu(m.a(x[:, :half]))) + mean(torch.relu(m.b(x[:, half:])))

    return Network(7, 3, way, a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(4, 3, 1))


def channels_by_an_index():
    return Network(
        6, 5, lambda m, x: mean(torch.relu(m.b(x[:, m.order]))), b=nn.Conv2d(6, 5, 3), order=torch.tensor([3, 1, 5, 0, 4, 2])
    )


def width_of_a_view():
    return Network(4, 256, lambda m, x: x.view(-1, 256))


def unflattened():
    return Network(4, 4, lambda m, x: m.shape(x.flatten(1)).mean(2), shape=nn.Unflatten(1, (4, 64)))


def expanded_constant():
    return Network(
        6, 6, lambda m, x: mean(x * m.one.expand(-1, 6, 8, 8) + torch.ones(6, 1, 1) * m.one), one=torch.full((1, 1, 1, 1), 0.5)
    )


def padded_channels():
    return Network(4, 6, lambda m, x: mean(torch.relu(m.b(x) + F.pad(x, (0, 0, 0, 0, 1, 1)))), b=nn.Conv2d(4, 6, 3, padding=1))


def zeros_beside():
    def way(m, x):
        return mean(torch.relu(m.b(x) + torch.cat([x, x.new_zeros(x.size(0), 2, 8, 8)], 1)))

    return Network(4, 6, way, b=nn.Conv2d(4, 6, 3, padding=1))


def the_number_of_channels_as_a_number():
    return Network(6, 5, lambda m, x: mean(torch.relu(m.b(x / x.shape[1] ** 0.5))), b=nn.Conv2d(6, 5, 3))


def convolution_as_a_function():
    def way(m, x):
        return mean(torch.relu(F.conv2d(F.conv2d(x, m.blur, groups=x.shape[1]), m.weight, m.bias)))

    blur = torch.rand(6, 1, 3, 3)
    return Network(6, 5, way, blur=blur, weight=nn.Parameter(torch.randn(5, 6, 3, 3)), bias=nn.Parameter(torch.randn(5)))


def kernel_repeated():
    def way(m, x):
        return mean(torch.relu(m.b(F.conv2d(x, m.kernel.repeat(x.shape[1], 1, 1, 1), None, 1, 1, 1, x.shape[1]))))

    return Network(6, 5, way, kernel=torch.rand(1, 1, 3, 3), b=nn.Conv2d(6, 5, 3))


def zeros_around():
    return Network(
        6, 5, lambda m, x: mean(torch.relu(m.b(F.max_pool2d(m.pad(x), 2)))), pad=nn.ZeroPad2d(2), b=nn.Conv2d(6, 5, 3)
    )


def levels_of_a_head():
    def way(m, x):
        return mean(torch.relu(m.head(torch.relu(m.a(x))))) + mean(torch.relu(m.head(torch.relu(m.b(x.flip(2))))))

    return Network(6, 5, way, a=nn.Conv2d(6, 4, 1), b=nn.Conv2d(6, 4, 3), head=nn.Conv2d(4, 5, 3, padding=1))


def layer_on_its_own_output():
    return Network(6, 6, lambda m, x: mean(torch.relu(m.a(torch.relu(m.a(x))))), a=nn.Conv2d(6, 6, 3, padding=1))


def one_layer_twice():
    def way(m, x):
        return mean(torch.relu(m.a(torch.cat([m.b(x), m.b(x.flip(2))], 1))))

    return Network(6, 5, way, b=nn.Conv2d(6, 4, 3), a=nn.Conv2d(8, 5, 1))


def one_weight_in_two_layers():
    a, b = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
    b.weight = a.weight
    return Network(6, 6, lambda m, x: mean(torch.relu(m.a(x) + m.b(x.flip(2)))), a=a, b=b)


def recurrent():
    return Network(6, 5, lambda m, x: m.rnn(x.mean(3).permute(0, 2, 1))[0][:, -1], rnn=nn.GRU(6, 5, batch_first=True))


def unpooled():
    def way(m, x):
        small, where = F.max_pool2d(x, 2, return_indices=True)
        return mean(torch.relu(m.b(F.max_unpool2d(small, where, 2)))) + mean(m.c(small))

    return Network(6, 5, way, b=nn.Conv2d(6, 5, 3), c=nn.Conv2d(6, 5, 1))


def pixels_from_channels():
    def way(m, x):
        return mean(torch.relu(m.b(F.pixel_shuffle(torch.relu(m.a(x)), 2))))

    return Network(6, 5, way, a=nn.Conv2d(6, 12, 1), b=nn.Conv2d(3, 5, 3))


WHOLE = {  # every map of every site can be deleted
    made.__name__.replace("_", " "): made
    for made in (
        frozen_norm,
        norm_with_activation,
        parameters_per_channel,
        parameter_computed_before_use,
        shared_slope,
        slopes_called_as_a_function,
        norms_of_single_channels,
        excitation,
        grouped,
        grouped_twice,
        grouped_transposed,
        grouped_residual,
        multiplier,
        shuffle_by_numbers,
        shuffle_by_sizes,
        shuffle_module,
        shuffle_and_groups,
        halves,
        split_by_numbers,
        slices_by_sizes,
        channels_by_an_index,
        width_of_a_view,
        unflattened,
        expanded_constant,
        padded_channels,
        zeros_beside,
        the_number_of_channels_as_a_number,
        convolution_as_a_function,
        kernel_repeated,
        zeros_around,
        levels_of_a_head,
        layer_on_its_own_output,
        one_layer_twice,
        one_weight_in_two_layers,
        recurrent,
        unpooled,
        pixels_from_channels,
    )
}


def cut_case(name):
    """A case around the network of that name, with random weights."""
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(8, 3, 8, 8), torch.arange(8) % 4)
    return assemble(randomise(WHOLE[name]()), data, data)
