"""An engine's answer in every way it has."""

from pruning_oracle.oracle.exact.traced import Traced


def every_way(case, engine, site, batch):
    """The change as the engine chooses to measure it, then in each way that it has."""
    found = [engine(site, batch)]
    plan = engine.network.plans.get(site) if isinstance(engine.network, Traced) else None
    for way in plan.ways if plan else ():
        plan.taken = way
        found.append(engine(site, batch))
    return found
