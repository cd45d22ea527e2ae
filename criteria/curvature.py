"""Second-order criteria: the curvature of the loss along a map's gate, alone and beside the slope."""

from criteria.criterion import Evidence, PerExample, abs_mean, criterion, mean, mean_abs

BRAIN_DAMAGE = "LeCun, Denker, Solla 1990, Optimal Brain Damage, at gates instead of weights"


@criterion(needs={"gate_curvature"}, reduce=mean, unit="nats", source=BRAIN_DAMAGE)
def curvature(site: Evidence) -> PerExample:
    """Half the Gauss-Newton curvature along the gate: what removal costs where the slope is nothing, as after training."""
    return site.gate_curvature / 2


@criterion(needs={"gate_grad", "gate_curvature"}, reduce=mean_abs, unit="nats", source=f"{BRAIN_DAMAGE}; Taylor's theorem")
def taylor_second(site: Evidence) -> PerExample:
    """Second-order change in loss when the gate goes from 1 to 0: minus the slope plus half the curvature."""
    return -site.gate_grad + site.gate_curvature / 2


@criterion(needs={"gate_grad", "gate_curvature"}, reduce=abs_mean, unit="nats", source=f"{BRAIN_DAMAGE}; Taylor's theorem")
def taylor_second_signed(site: Evidence) -> PerExample:
    """As `taylor_second`, but the magnitude is taken after the mean over examples, as the oracle's is."""
    return -site.gate_grad + site.gate_curvature / 2
