"""Which layers make maps, which mix them, and which pass them on one by one."""

from torch import nn
from torch.nn import functional as F

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
# layers that mix maps; they are linear in their input, so that an input map of zeros equals a deleted one
MIXERS = (*CONVOLUTIONS, nn.Linear, nn.RNNBase, nn.RNNCellBase)
# functions that do the same; convolutions among them with how many axes of their input lie behind that of the channels
CONVOLVING = {F.conv1d: 1, F.conv2d: 2, F.conv3d: 3}
TRANSPOSING = {F.conv_transpose1d: 1, F.conv_transpose2d: 2, F.conv_transpose3d: 3}
MIXING = {F.linear: 0} | CONVOLVING | TRANSPOSING


def is_depthwise(module: nn.Module | None) -> bool:
    """Whether a module is a depthwise convolution, which handles every map separately."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels
