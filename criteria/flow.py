"""Flow criteria: what the weights alone let pass from the input to the output."""

from pruning_oracle.criteria.criterion import Evidence, PerExample, criterion, mean


@criterion(
    needs={"synaptic_flow"}, reduce=mean, unit="share of the flow", source="Tanaka et al. 2020, arXiv:2006.05467 (SynFlow)"
)
def synflow(site: Evidence) -> PerExample:
    r"""Share of the flow that passes the weights of a map: R is the sum of the outputs with |weights|, for an input of ones.

    Every parameter and buffer is replaced by its magnitude, and batch norms are in eval mode, as in the authors' code, so that
    |running mean| is subtracted. The paper scores single weights of an untrained network and prunes in a hundred rounds; here
    a map's scores are added up, once, on the trained network, and divided by R, which changes no rank.

    $$\Theta = \sum_j \left| \frac{w_j}{R} \frac{\partial R}{\partial w_j} \right|$$
    """
    return site.synaptic_flow
