"""Operations that read memory by numbers of their inputs, and would crash on the NaNs by which maps are followed."""

import math
from typing import Any

import torch
from torch import Tensor


def deform_conv2d(images: Tensor, weight: Tensor, offset: Tensor, *rest: Any) -> Tensor:
    """torchvision's deformable convolution, whose output is NaN wherever an offset is."""
    lost = offset.isnan().any(1, keepdim=True)
    result = torch.ops.torchvision.deform_conv2d(images, weight, offset.nan_to_num(), *rest)
    return result.masked_fill(lost, math.nan)
