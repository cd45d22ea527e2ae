"""Writes run files with a known oracle, as the measuring stages write them."""

import numpy as np

from pruning_oracle.bench import runs

SITES = {"first": 6, "second": 9}


def write_run(
    root, case="toy", seed=0, noise=0.5, examples=200, sources="c1", weights="w1", data="d1", sites=None, scores=None
):
    """Writes a run, returns its folder: map k changes the loss by k + 1 at site `first`, 10 (k + 1) elsewhere, plus noise.

    `scores` gives, for each criterion, its reduction and its saliency by site; by default there are three criteria.
    """
    sites = SITES if sites is None else sites
    random = np.random.default_rng(seed)
    folder = runs.folder(case, seed, root)
    common = {"case": case, "seed": seed, "weights": weights, "commit": "abc", "why": "a test", "precision": "float32"}
    common |= {"device": "none", "threads": 1, "batch": 1, "left_out": [], "versions": {}, "engine": "literal", "seconds": 8}
    common |= {"sources": {"stage": sources, "case": "k", "criteria": "t"}, "libraries": {"torch": "2"}}
    common["sites"] = [{"name": name, "maps": maps, "convolutions": [name], "mflops": 5 * maps} for name, maps in sites.items()]
    truth = {name: np.arange(1, maps + 1) * (1 if name == "first" else 10) for name, maps in sites.items()}
    change = {f"change/{name}": worth + noise * random.normal(size=(examples, len(worth))) for name, worth in truth.items()}
    facts = common | {"examples": examples, "data": data, "test": {"loss": 1, "accuracy": 0.5, "examples": 3}}
    runs.save(folder / "oracle.safetensors", "oracle", change | {"kept": np.ones(examples)}, facts)
    given = scores or {
        "perfect": ("mean", {name: change[f"change/{name}"] for name in sites}),
        "constant": ("mean", {name: np.ones((1, maps)) for name, maps in sites.items()}),
        "opposite": ("abs_mean", {name: 1 / worth[None] for name, worth in truth.items()}),
    }
    arrays = {f"{e}/{c}/{s}": m for e in ("shared", "fresh") for c, (_, parts) in given.items() for s, m in parts.items()}
    said = {"unit": "u", "source": "s", "says": "<b>says</b>", "forward passes": 2.0, "order": ""}
    described = {name: {"reduce": how} | said for name, (how, _) in given.items()}
    split = {name: {"examples": examples, "data": data, "seconds": 0} for name in ("shared", "fresh")}
    facts = {"criteria": described, "left_out_criteria": {"<i>dear": "<u>much"}, "forward seconds per example": 0.001}
    runs.save(folder / "criteria.safetensors", "criteria", arrays, common | split | facts)
    return folder
