"""Path and attribution criteria: how the loss changes along a whole path, not only at its start."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, abs_mean, criterion, mean_abs


@criterion(needs={"gate_path"}, reduce=abs_mean, unit="nats", source="Sundararajan et al. 2017, arXiv:1703.01365, along gates")
def path(site: Evidence) -> PerExample:
    r"""A map's share of the change in loss as all gates close together, in 4 steps; not the effect of its own removal.

    128 examples at most.

    $$\Theta = \left| \frac{1}{N}\sum_n \frac{1}{4} \sum_{s=1}^{4} \frac{\partial C_n}{\partial g}\left(g_1 = \dots =
    g_K = 1 - \frac{s - 1/2}{4}\right) \right|$$
    """
    return site.gate_path


@criterion(
    needs={"gate_conductance"}, reduce=abs_mean, unit="nats", source="Dhamdhere et al. 2018, arXiv:1805.12233, by captum"
)
def conductance(site: Evidence) -> PerExample:
    r"""How much of the change in loss from an input of zeros to the example goes through the map; 64 examples at most.

    $$\Theta = \left| \frac{1}{N}\sum_n \sum_p \int_0^1 \frac{\partial C_n(\alpha x_n)}{\partial a_p} \frac{\mathrm{d}
    a_p(\alpha x_n)}{\mathrm{d} \alpha} \,\mathrm{d}\alpha \right|$$
    """
    return site.gate_conductance


@criterion(
    needs={"gate_relevance"}, reduce=mean_abs, unit="score", source="Yeom et al. 2021, arXiv:1912.08881, the ε rule, by captum"
)
def relevance(site: Evidence) -> PerExample:
    r"""Relevance of a map for the score of the example's label, as a magnitude; 64 examples at most.

    The paper ranks by the signed sum and propagates by other rules; the ε rule gives activation × gradient of that score.

    $$\Theta = \frac{1}{N}\sum_n \left| \sum_p R_{np} \right|$$
    """
    return site.gate_relevance
