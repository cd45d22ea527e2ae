"""Second-order criteria: the curvature of the loss along a map's gate, alone and together with the slope."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, abs_mean, criterion, mean, mean_abs

BRAIN_DAMAGE = "LeCun, Denker, Solla 1990, Optimal Brain Damage, at gates instead of weights"


@criterion(needs={"gate_hessian"}, reduce=abs_mean, unit="nats", source=BRAIN_DAMAGE)
def brain_damage(site: Evidence) -> PerExample:
    r"""Half the diagonal of the Hessian at the gate: what removal costs where the slope is zero, as after training.

    For more than 32 maps in all, the diagonal is estimated (Bekas et al. 2007); 128 examples at most. Its mean over examples is
    negative where the loss curves downward; the magnitude is taken.

    $$\Theta = \left| \frac{1}{N}\sum_n \frac{1}{2} \frac{\partial^2 C_n}{\partial g^2} \right|$$
    """
    return site.gate_hessian / 2


@criterion(needs={"gate_curvature"}, reduce=mean, unit="nats", source=f"{BRAIN_DAMAGE}, after Gauss and Newton")
def gauss_newton(site: Evidence) -> PerExample:
    r"""Half the Gauss-Newton curvature along the gate: the Hessian without the network's own curvature; never negative.

    $$\Theta = \frac{1}{N}\sum_n \frac{1}{2} h_n$$
    """
    return site.gate_curvature / 2


@criterion(needs={"gate_grad"}, reduce=mean, unit="nats", source="Theis et al. 2018, arXiv:1801.05787 (Fisher pruning)")
def fisher(site: Evidence) -> PerExample:
    r"""Half the squared gate gradient: the empirical Fisher information instead of the Hessian; half of `taylor_squared`.

    $$\Theta = \frac{1}{N}\sum_n \frac{1}{2} \left( \frac{\partial C_n}{\partial g} \right)^2$$
    """
    return site.gate_grad.square() / 2


@criterion(needs={"gate_grad", "gate_curvature"}, reduce=mean_abs, unit="nats", source=f"{BRAIN_DAMAGE}; Taylor's theorem")
def taylor_second(site: Evidence) -> PerExample:
    r"""Second-order change in loss when the gate goes from 1 to 0: minus the slope plus half the curvature.

    $$\Theta = \frac{1}{N}\sum_n \left| -\frac{\partial C_n}{\partial g} + \frac{1}{2} h_n \right|$$
    """
    return -site.gate_grad + site.gate_curvature / 2


@criterion(needs={"gate_grad", "gate_curvature"}, reduce=abs_mean, unit="nats", source=f"{BRAIN_DAMAGE}; Taylor's theorem")
def taylor_second_signed(site: Evidence) -> PerExample:
    r"""Second-order change in loss as in `taylor_second`; the magnitude is that of the mean over examples, as the oracle's.

    $$\Theta = \left| \frac{1}{N}\sum_n \left( -\frac{\partial C_n}{\partial g} + \frac{1}{2} h_n \right) \right|$$
    """
    return -site.gate_grad + site.gate_curvature / 2
