"""Two criteria for pruning feature maps, both from the slope of the loss at a map's gate."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean, mean_abs


@criterion(needs={"gate_grad"}, reduce=mean_abs, unit="nats", source="this repository")
def first_order(site: Evidence) -> PerExample:
    """Change in loss when a map is removed, as the slope at its gate foretells it."""
    return -site.gate_grad


@criterion(needs={"gate_grad", "magnitude"}, reduce=mean, unit="nats per activation", source="this repository")
def steepness(site: Evidence) -> PerExample:
    """Slope at a map's gate for each unit of activation: how steep the loss is, however strong the map."""
    return site.gate_grad.abs() / site.magnitude.clamp(min=1e-6)
