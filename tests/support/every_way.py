"""The changes in loss that an engine measures in each of its ways to compute them."""


def every_way(case, engine, site, batch):
    """The changes in loss `[example, map]` at a site: first as the engine chooses to compute them, then in each way it has."""
    found = [engine(site, batch)]
    plan = engine.network.traced.plans.get(site.name) if engine.network.traced else None
    for way in plan.ways if plan else ():
        plan.taken = way
        found.append(engine(site, batch))
    return found
