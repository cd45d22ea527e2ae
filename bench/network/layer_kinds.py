"""Which layers make maps, which mix them, and which pass them on one by one."""

import torch
from torch import nn

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
# layers that mix maps; they are linear in their input, so that an input map of zeros equals a deleted one
MIXERS = (*CONVOLUTIONS, nn.Linear, nn.RNNBase, nn.RNNCellBase)
MIXING = {nn.functional.linear, nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d}
MIXING |= {torch.conv1d, torch.conv2d, torch.conv3d}


def is_depthwise(module: nn.Module | None) -> bool:
    """Whether a module is a depthwise convolution, which handles every map separately."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels
