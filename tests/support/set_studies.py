"""Writes small studies of sets beside a run of `written_runs`, whose figures can be told by hand."""

import pandas as pd

from pruning_oracle.bench import runs

FACTS = {"data": "d", "examples": 6, "precision": "float32", "engine": "replay", "sets": [{}], "weights": "w1"}
FACTS |= {"sources": {"stage": "s", "case": "k", "criteria": "t"}, "libraries": {}, "device": "a $b$ chip", "threads": 1}
FACTS |= {"sites": [{"name": "first", "maps": 6}, {"name": "second", "maps": 9}], "commit": "c0ffee" * 4}
ALL = "all sites"


def bounds(value, prefix="", by=0.1):
    return {f"{prefix}low": value - by, f"{prefix}high": value + by}


def lds(shift):
    """`perfect` ranks sets with 0.9, `opposite` with −0.8, single changes with 0.7; less 0.5 where a fifth goes."""
    values = {"perfect": 0.9, "opposite": -0.8, "oracle_abs": 0.6, "single_changes": 0.7}
    return [
        {"chooser": name, "share": share, "scaling": scaling, "lds": found, "ceiling": 0.95, "maps": 2, "sets": 9, "n": 6}
        | bounds(found)
        for share, less in ((0.05, 0.0), (0.2, 0.5))
        for scaling in ("none", "l2")
        for name, value in values.items()
        for found in [value - less + shift]
    ]


def additivity(shift):
    """All sites cost twice the sum of their changes, the second site as much as it; of the first the sum may be 0."""
    single, found = {ALL: 0.4, "first": 0.001, "second": 0.2}, []
    for share in (0.1, 0.2):
        for scope, value in single.items():
            times = {ALL: 2.0, "first": float("nan"), "second": 1.0}[scope] + shift
            joint = value * times if scope != "first" else 0.002
            found.append(
                {"scope": scope, "share": share, "maps": 3, "joint_loss": joint, "single_changes": value, "n": 6, "sets": 9}
                | {"difference": joint - value, "ratio": times}
                | bounds(joint - value, "difference_")
                | bounds(times, "ratio_")
            )
    return found


def sensitivity(shift):
    """A share s of the second site costs 2 s, of the first s / 10; chosen by `opposite` ten times that."""
    return [
        {"site": site, "chooser": chooser, "share": share, "maps": 2, "joint_loss": cost, "n": 6} | bounds(cost)
        for site, times in (("first", 0.1), ("second", 2))
        for chooser, worse in (("perfect", 1), ("opposite", 10))
        for share in (0.25, 0.5)
        for cost in [times * worse * share + shift]
    ]


def better(shift):
    """The best criterion's set costs 1; greedy 0.4 less, the paper's oracle 2 more."""
    costs = {"perfect": 1.0, "greedy": 0.6, "oracle_abs": 3.0, "oracle_abs_half": 9.0}
    return [
        {"chooser": name, "scope": scope, "scaling": "none", "share": 0.25, "joint_loss": cost + shift, "n": 6}
        | {"best_criterion": "perfect", "over_criterion": cost - 1 + shift}
        | bounds(cost)
        | bounds(cost - 1 + shift, "over_criterion_")
        for scope in (ALL, "each site")
        for name, cost in costs.items()
    ]


PAIRS = [("first", 0, "first", 1, 1.0, 0.3), ("first", 0, "second", 2, 0.5, -0.2), ("second", 2, "second", 8, 0.25, 0.4)]


def interactions(shift):
    columns = ("site_a", "map_a", "site_b", "map_b", "probability", "interaction")
    rows = [dict(zip(columns, pair, strict=True)) for pair in PAIRS]
    return [
        row | {"interaction": row["interaction"] + shift, "n": 6, "curvature": 0.5} | bounds(row["interaction"] + shift)
        for row in rows
    ]


def grades(shift):
    values = {"within": 0.8, "across": 0.6, "all": 0.7}
    return [{"pairs": name, "spearman": of + shift, "drawn": 3, "n": 6} | bounds(of + shift) for name, of in values.items()]


WRITTEN = {
    "reference-sets": ("reference-sets", lds),
    "additivity": ("reference-sets", additivity),
    "layer-sensitivity": ("layer-sensitivity", sensitivity),
    "better-sets": ("better-sets", better),
    "interactions": ("interactions", interactions),
    "interaction-grades": ("interactions", grades),
}


def write_studies(root, case="toy", seed=0, shift=0.0, tables=tuple(WRITTEN), sites=None, **more):
    """Writes the named tables with their joint losses' files; `shift` is added to what they say; `sites` are maps by name."""
    names = dict(zip(("first", "second"), sites or (), strict=False))
    if sites:
        more |= {"sites": [{"name": name, "maps": maps} for name, maps in sites.items()]}
    folder = runs.folder(case, seed, root)
    folder.mkdir(parents=True, exist_ok=True)
    for name in tables:
        joint, made = WRITTEN[name]
        pd.DataFrame(made(shift)).replace(names).assign(case=case, seed=seed).to_csv(folder / f"{name}.csv", index=False)
        runs.save(folder / f"{joint}.safetensors", "sets", {}, FACTS | {"case": case, "seed": seed} | more)


def write_foretold(path, cases=("toy",), seeds=1):
    """LDS foretells what sets over all sites cost with τ 0.7, agreement with 0.4, a joint loss itself with 0.9."""
    taus = {"agreement with oracle_abs, all sites": 0.4, "LDS, 5%": 0.7, "joint loss, 25% of all sites": 0.9}
    rows = [
        {"case": case, "predictor": name, "outcome": "joint loss, all sites, mean over shares", "tau": tau}
        | {"low": tau - 0.2, "high": tau + 0.1, "first": 0.5, "criteria": 7, "seeds": seeds}
        for case in cases
        for name, tau in taus.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
