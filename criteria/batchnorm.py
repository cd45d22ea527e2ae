"""Batch norm criteria: the scale that the network itself learned to give a map."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs={"norm_scale"}, reduce=mean, unit="scale", source="Liu et al. 2017, arXiv:1708.06519 (network slimming)")
def norm_gamma(site: Evidence) -> PerExample:
    r"""Magnitude of γ of the batch norm behind the map's convolution; for a coupled map the mean over its convolutions.

    The paper trains with a penalty that pushes γ to zero; here the network is used as it was trained.

    $$\Theta = \frac{1}{L}\sum_{l} |\gamma_l|$$
    """
    return site.norm_scale.abs().mean(1)[None]
