"""Two criteria for pruning feature maps, both from the slope of the loss at a map's gate."""

import pruning_oracle as po


@po.criterion(needs={"gate_grad"}, reduce=po.mean_abs, unit="nats", source="this repository")
def first_order(site: po.Evidence) -> po.PerExample:
    """Change in loss when a map is removed, as the slope at its gate foretells it."""
    return -site.gate_grad


@po.criterion(needs={"gate_grad", "magnitude"}, reduce=po.mean, unit="nats per activation", source="this repository")
def steepness(site: po.Evidence) -> po.PerExample:
    """Slope at a map's gate for each unit of activation: how steep the loss is, however strong the map."""
    return site.gate_grad.abs() / site.magnitude.clamp(min=1e-6)
