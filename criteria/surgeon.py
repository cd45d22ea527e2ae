"""Second order in the weights: what is lost with a map's filters, with and without an answer of the weights that stay."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean

EIGENDAMAGE = "Wang et al. 2019, arXiv:1905.05934"


@criterion(
    needs={"weight_fisher"}, reduce=mean, unit="nats", source=f"LeCun et al. 1990, Optimal Brain Damage; {EIGENDAMAGE} (C-OBD)"
)
def weight_damage(site: Evidence) -> PerExample:
    r"""Half Σ weight² × squared gradient over a map's filters: second order with a diagonal Fisher matrix; 64 examples at most.

    With a diagonal, no other weight can answer for a lost one, so that Optimal Brain Surgeon gives the same value. Gradients
    are those of each example's loss by its label; the project draws labels. Biases are left out.

    $$\Theta = \frac{1}{2} \sum_j w_j^2 \, \frac{1}{N}\sum_n \left( \frac{\partial C_n}{\partial w_j} \right)^2$$
    """
    return (site.weights.square() * site.weight_fisher).sum(1)[None] / 2


@criterion(
    needs={"kronecker_answer"},
    reduce=mean,
    unit="nats",
    source=f"Hassibi, Stork 1993, Optimal Brain Surgeon; {EIGENDAMAGE} (Kron-OBS)",
)
def kronecker_surgeon(site: Evidence) -> PerExample:
    r"""Second-order loss of a map's filters after the other filters of the layer have answered as well as they can.

    The Fisher matrix of a layer is taken as the product of that of its inputs and S, that of the gradients by its outputs o
    (Martens, Grosse 2015; Grosse, Martens 2016). Then the answer divides by a diagonal entry of S⁻¹: what counts is the part of
    a map's gradient that those of the others do not explain. λ is a thousandth of S's mean diagonal. The gradients are those of
    each example's loss by its label; the project draws labels. Summed over the layers of a coupled map.

    $$\Theta_k = \frac{1}{2} \, \frac{1}{N}\sum_{n,p} o_{knp}^2 \Big/ \left[ (S + \lambda I)^{-1} \right]_{kk}, \quad S =
    \frac{1}{NP}\sum_{n,p} \frac{\partial C_n}{\partial o_{np}} \frac{\partial C_n}{\partial o_{np}}^{\!\top}$$
    """
    return site.kronecker_answer
