"""Criteria of your own, graded beside the suite's own. Run: make compare CRITERIA=examples/my_criteria.py"""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(needs={"gate_grad", "magnitude"}, reduce=mean, unit="nats per activation", source="an example: the slope alone")
def slope(site: Evidence) -> PerExample:
    """Gradient at the gate for each unit of activation: how steep the loss is, however strong the map."""
    return site.gate_grad.abs() / site.magnitude.clamp(min=1e-6)
