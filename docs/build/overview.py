"""The overview in README, `docs/figures/overview.svg`: python -m pruning_oracle.docs.build.overview draws it anew.

Its numbers are real: the oracle of `vgg-digits`, seed 0, on 512 examples and two criteria on 512 others, measured when it is
drawn; and what pruning came to, from the committed record.
"""

import tempfile
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import rankdata, spearmanr

from pruning_oracle.bench.runs import load
from pruning_oracle.criteria.__main__ import main as score
from pruning_oracle.docs.build.pictures import svg
from pruning_oracle.docs.build.pruning import recorded_study
from pruning_oracle.oracle.__main__ import main as measure
from pruning_oracle.reports.sections.curves import accuracy_curve

FILE = Path(__file__).parents[1] / "figures/overview.svg"
CASE, SITE = "vgg-digits", "features.7"  # 16 maps
COLOURS = {"oracle": "#222222", "taylor": "#2166ac", "weight_l2": "#b2182b", "random": "#999999"}
Scores = dict[str, np.ndarray]


def measured(folder: Path) -> Scores:
    """The oracle and the criteria at one site, `[map]` each."""
    measure([CASE, "--out", str(folder / "oracle.safetensors")])
    score([CASE, "--criteria", "taylor", "weight_l2", "--out", str(folder / "criteria.safetensors")])
    changes = load(folder / "oracle.safetensors", "oracle").arrays[f"change/{SITE}"]
    guesses = load(folder / "criteria.safetensors", "criteria").arrays
    found = {"oracle": np.abs(changes.mean(0))}
    return found | {name: np.abs(guesses[f"fresh/{name}/{SITE}"]).mean(0) for name in ("taylor", "weight_l2")}


def draw(scores: Scores) -> Figure:
    """Five panels from left to right: a network, the oracle, criteria, their agreement, and pruning."""
    figure, panels = plt.subplots(1, 5, figsize=(13, 2.9), width_ratios=[1.0, 1, 1, 1, 1.15])
    titles = (
        "1  Remove one feature map",
        "2  Write down what the loss\n    does: the oracle",
        "3  Criteria guess it,\n    removing nothing",
        "4  Do the ranks agree?",
        "5  Prune by the best guess",
    )
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
    network(panels[0])
    bars(panels[1], {"oracle": scores["oracle"]})
    panels[1].set(ylabel="change in loss, nats", xlabel="feature map")
    bars(panels[2], {name: scores[name] / scores[name].max() for name in ("taylor", "weight_l2")})
    panels[2].set(ylabel="score (scaled)", xlabel="feature map")
    panels[2].legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    panels[2].set_ylim(0, 1.35)
    ranks(panels[3], scores)
    pruned(panels[4])
    for panel in panels[1:]:
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def network(panel: Axes) -> None:
    """Layers as columns of maps, of which one is crossed out."""
    for layer, maps in enumerate((3, 5, 5, 4)):
        for place in range(maps):
            gone = (layer, place) == (2, 3)
            low = place * 1.2 - maps * 0.6
            edge = COLOURS["weight_l2"] if gone else "#444444"
            face = "white" if gone else plt.get_cmap("Blues")(0.25 + 0.15 * layer)
            panel.add_patch(Rectangle((layer * 1.7, low), 1, 1, facecolor=face, edgecolor=edge, lw=1.8 if gone else 0.8))
            if gone:
                panel.plot([layer * 1.7, layer * 1.7 + 1], [low, low + 1], color=edge, lw=1.8)
                panel.plot([layer * 1.7, layer * 1.7 + 1], [low + 1, low], color=edge, lw=1.8)
        if layer:
            panel.arrow(layer * 1.7 - 0.62, 0, 0.3, 0, head_width=0.25, head_length=0.2, color="#444444")
    panel.set(xlim=(-0.3, 6.5), ylim=(-3.6, 3.4), aspect="equal")
    panel.axis("off")


def bars(panel: Axes, values: Scores) -> None:
    """A bar for every map, side by side for several scores."""
    width = 0.8 / len(values)
    for shift, (name, heights) in enumerate(values.items()):
        place = np.arange(len(heights)) + (shift - (len(values) - 1) / 2) * width
        panel.bar(place, heights, width, color=COLOURS[name], label=name)
    panel.set_xticks([])


def ranks(panel: Axes, scores: Scores) -> None:
    """Rank by each criterion against rank by the oracle, with Spearman."""
    true = rankdata(scores["oracle"])
    for name, marker in (("taylor", "o"), ("weight_l2", "x")):
        agreed = spearmanr(scores["oracle"], scores[name]).statistic
        label = f"{name}: {agreed:.2f}".replace("-", "−")
        panel.scatter(true, rankdata(scores[name]), s=24, marker=marker, color=COLOURS[name], label=label)
    panel.plot([1, len(true)], [1, len(true)], color="#bbbbbb", lw=0.8, zorder=0)
    panel.set(xlabel="rank by the oracle", ylabel="rank by the criterion", xticks=[], yticks=[], ylim=(0, len(true) * 1.6))
    panel.legend(frameon=False, fontsize=8, loc="upper left", title="Spearman", title_fontsize=8)


def pruned(panel: Axes) -> None:
    """Test accuracy against maps left, the median over seeds, from the record."""
    study = recorded_study(CASE)
    for run, name in (("taylor", "taylor"), ("weight", "weight_l2"), ("random", "random")):
        least = max(rows[-1]["maps"] / rows[0]["maps"] for rows in study.rows(run))
        grid = np.linspace(1, least, 101)
        lines = [accuracy_curve(rows, "maps", grid) for rows in study.rows(run)]
        panel.plot(grid, np.median(lines, 0), color=COLOURS[name], label=name, lw=1.6)
    panel.invert_xaxis()
    panel.xaxis.set_major_formatter(lambda value, place: f"{value:.0%}")
    panel.set(xlabel="maps left", ylabel="test accuracy")
    panel.legend(frameon=False, fontsize=8, loc="lower left")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    FILE.write_bytes(svg(draw(found)))
