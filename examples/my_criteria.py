"""Criteria of your own, graded beside the suite's own. Run: make compare CRITERIA=examples/my_criteria.py"""

import pruning_oracle as po


@po.criterion(
    needs={"gate_grad", "magnitude"}, reduce=po.mean, unit="nats per activation", source="an example: the slope alone"
)
def slope(site: po.Evidence) -> po.PerExample:
    """Gradient at the gate for each unit of activation: how steep the loss is, however strong the map."""
    return site.gate_grad.abs() / site.magnitude.clamp(min=1e-6)
