"""How the case's network was fine-tuned, if this suite did it: loss and accuracy per epoch, and the epoch that was kept."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt

from pruning_oracle.bench.runs import RunFile
from pruning_oracle.bench.scores import shown
from pruning_oracle.reports.inputs.source import machine_of
from pruning_oracle.reports.sections.section import CaseStudy, Section

KINDS = {"loss": "training, as learnt", "validation loss": "validation"}


def rows(study: CaseStudy) -> pd.DataFrame:
    """The learning curves of all seeds, a row per seed and epoch."""
    return pd.concat([pd.DataFrame(file.facts["curve"]).assign(seed=file.facts["seed"]) for file in study.training])


def section(study: CaseStudy) -> Section | None:
    """A line per seed: losses on the left, accuracy on validation examples on the right. None without learning curves."""
    if not study.training:
        return None
    every = rows(study)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.8), sharex=True)
    losses = every.melt(["epoch", "seed"], list(KINDS), "examples", "nats").dropna()
    losses["examples"] = losses.examples.map(KINDS)
    losses["nats"] = losses.nats.astype(float)
    sns.lineplot(losses, x="epoch", y="nats", hue="examples", style="examples", units="seed", estimator=None, ax=left)
    left.set(ylabel="loss, nats")
    left.legend(frameon=False, title=None)
    judged = every.dropna(subset="validation accuracy")
    for file in study.training:
        seed, chosen = file.facts["seed"], file.facts["chosen"]
        own = judged[judged.seed == seed]
        (line,) = right.plot(own.epoch, own["validation accuracy"].astype(float), label=f"seed {seed}")
        right.plot(chosen, file.facts["accuracy"], "o", color=line.get_color())
    right.set(xlabel="epoch", ylabel="accuracy")
    right.legend(frameon=False)
    sns.despine(ax=left)
    sns.despine(ax=right)
    table = pd.DataFrame([_row(file) for file in study.training])
    return Section("learning", "How the network was fine-tuned", _caption(study.training[0]), figure, table)


def _row(file: RunFile) -> dict[str, object]:
    """The table row of a seed: accuracy before fine-tuning, the epoch that was kept, and its result on the test set."""
    facts = file.facts
    by_epoch = {row["epoch"]: row["validation accuracy"] for row in facts["curve"]}
    return {
        "seed": facts["seed"],
        "validation accuracy before": _share(by_epoch[0]),
        "epoch kept": facts["chosen"],
        "validation accuracy": _share(by_epoch[facts["chosen"]]),
        "test accuracy": _share(facts["accuracy"]),
        "test loss, nats": f"{facts['loss']:.3f}",
        "minutes": f"{facts['seconds'] / 60:.1f}",
    }


def _share(accuracy: float | None) -> str:
    return "no examples" if accuracy is None else shown(accuracy, ".2%")


def _caption(file: RunFile) -> str:
    facts = file.facts
    how, counts = facts["settings"], facts["examples"]
    optimiser = "AdamW" if how["adaptive"] else f"SGD with momentum {how['momentum']:g}"
    kept = "the epoch most accurate on the validation examples is kept" if counts["validation"] else "the last epoch is kept"
    left_out = f" {facts['left_out']}." if facts["left_out"] else ""
    return (
        f"All layers learn by {optimiser}, rate {how['rate']:g}, weight decay {how['weight_decay']:g}, batches of"
        f" {how['batch']}, {how['epochs']} epochs over {counts['train']} examples; {kept}. Epoch 0 is before: a new head on the"
        " weights it began with."
        f" {counts['validation']} validation examples, and {counts['test']} test examples, used once at the end: the points."
        f"{left_out} On {machine_of(facts)}, commit {facts['commit'][:12]}."
    )
