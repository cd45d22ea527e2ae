"""Writes files of pruning runs, as the pruning loop writes them."""

from pruning_oracle.bench import runs

SETTINGS = {
    "examples": 0,
    "remove": 2,
    "updates": 3,
    "rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0,
    "batch": 4,
    "final_updates": 1,
}


def row(maps, accuracy, **more):
    seconds = {"learning": 2.0, "scoring": 0.02}
    known = {"maps": maps, "flops": maps**2, "parameters": 10 * maps, "sites": [maps - 2, 2], "seconds": seconds}
    return known | {"test_accuracy": accuracy, "test_loss": 2 - accuracy, **more}


def write(
    root,
    case="toy",
    seed=0,
    name="good",
    accuracies=(1.0, 0.9, 0.8),
    sources="c",
    criteria="t",
    last=(),
    folder="pruning",
    sites=("a<b>", "b"),
    settings=None,
    steps=None,
):
    """A run of three networks with 10, 8 and 6 maps, and after them those fine-tuned at the end; `steps` adds to every row."""
    rows = [row(maps, accuracy, **(steps or {})) for maps, accuracy in zip((10, 8, 6), accuracies, strict=True)]
    rows += [row(6, accuracy, final=True) for accuracy in last]
    facts = {
        "case": case,
        "seed": seed,
        "settings": SETTINGS | (settings or {}),
        "rows": rows,
        "sites": list(sites),
        "commit": "abc",
        "sources": {"stage": sources, "case": "k", "criteria": criteria},
        "libraries": {"torch": "2"},
        "why": "",
    }
    facts |= {"precision": "float32", "device": "none"}
    runs.save(runs.folder(case, seed, root) / folder / f"{name}.safetensors", "pruning", {}, facts)
