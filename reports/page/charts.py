"""The page's charts as Vega-Lite, written with Altair; the page's script hands each the rows it shows, named `rows`.

A chart's rows are made by the script from columns that the page holds once; sizes, the theme's colours and the titles of axes
that a reader chooses are filled in there, too.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt

from pruning_oracle.reports.page.set_charts import set_charts

ROWS = "rows"
FREE = 0.1  # forward passes; cheaper criteria are drawn there, because the axis is logarithmic
STEP = 18  # pixels of a row of a heat map
DIVERGING = alt.Scale(scheme="purpleorange", domain=[-1, 1], domainMid=0)


def charts(families: Sequence[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Every chart's specification by its name, as JSON has it; families have the looks of `colours.looks`."""
    made = {
        "price": _price(families),
        "heat": _heat("site", "criterion", "Spearman", DIVERGING),
        "likeness": _heat("criterion", "other", "Spearman", DIVERGING),
        "row": _row(),
        "score": _score(),
        "brushed": _brushed(),
        "histogram": _histogram(),
        "classes": _classes(),
        "places": _places(families),
        "pruned": _pruned(),
        "smaller": _smaller(),
        "left": _heat("site", "run", "maps left, %", alt.Scale(scheme="viridis", domain=[0, 100])),
    } | set_charts(families)
    return {name: _bare(chart) for name, chart in made.items()}


def _bare(chart: Any) -> dict[str, Any]:
    """A specification that takes its configuration from the page."""
    spec = chart.to_dict()
    for brush in spec.get("params", []) if "vconcat" in spec else ():
        brush["views"] = [view["name"] for view in spec["vconcat"]]  # Altair gives it to the one view that it was added to
    return {name: part for name, part in spec.items() if name not in {"config", "$schema", "datasets"}}


def _base() -> Any:
    return alt.Chart(alt.NamedData(ROWS))


def _family(families: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The channels that tell families apart; the script puts the theme's colours in."""
    names = [look["name"] for look in families]
    colours = alt.Scale(domain=names, range=[look["light"] for look in families])
    shapes = alt.Scale(domain=names, range=[look["shape"] for look in families])
    legend = alt.Legend(title=None, orient="bottom", columns=4)
    return {
        "color": alt.Color("family:N", scale=colours, legend=legend),
        "shape": alt.Shape("family:N", scale=shapes, legend=legend),
    }


def _price(families: Sequence[dict[str, str]]) -> Any:
    x = alt.X("passes:Q", scale=alt.Scale(type="log", nice=False), title="price, forward passes (logarithmic)")
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title="agreement, Spearman")
    tips = [alt.Tooltip("criterion:N"), alt.Tooltip("said:N", title="agreement"), alt.Tooltip("price:N")]
    low, high = alt.Y("from:Q", title="agreement, Spearman"), alt.Y2("to:Q")
    lines = _base().mark_rule(opacity=0.5).encode(x=x, y=low, y2=high)
    front = _base().transform_filter("datum.front").mark_line(interpolate="step-after", opacity=0.5).encode(x=x, y=y)
    points = _base().mark_point(filled=True, size=70, opacity=1, cursor="pointer")
    marks = points.encode(x=x, y=y, tooltip=tips, **_family(families))
    ceiling = _base().mark_rule(strokeDash=[5, 4]).encode(y=alt.Y("max(ceiling):Q", title="agreement, Spearman"))
    return (front + lines + ceiling + marks).properties(height=340)


def _heat(x: str, y: str, title: str, scale: alt.Scale) -> Any:
    axis = alt.Axis(labelLimit=220, labelAngle=-90, title=None, labelOverlap=False, orient="top")
    side = alt.Axis(labelLimit=220, title=None, labelOverlap=False)
    tips = [alt.Tooltip(f"{name}:N") for name in (y, x)] + [alt.Tooltip("said:N", title=title)]
    colour = alt.Color("value:Q", scale=scale, legend=alt.Legend(title=title, orient="bottom"))
    place = {"x": alt.X(f"{x}:N", sort=None, axis=axis), "y": alt.Y(f"{y}:N", sort=None, axis=side)}
    cells = _base().mark_rect(cursor="pointer", invalid=None).encode(**place, tooltip=tips, color=colour)
    return cells.properties(width=alt.Step(STEP + 4), height=alt.Step(STEP))


def _row() -> Any:
    """One criterion at every site of every network, with intervals, and the noise ceiling."""
    x = alt.X("site:N", sort=None, axis=alt.Axis(labelAngle=-45, labelLimit=140, title=None))
    y = alt.Y("value:Q", title="Spearman, fresh examples")
    tips = [
        alt.Tooltip("network:N"),
        alt.Tooltip("site:N"),
        alt.Tooltip("said:N", title="Spearman"),
        alt.Tooltip("ceiling:Q", format=".3f"),
    ]
    rule = _base().mark_rule().encode(x=x, y=alt.Y("from:Q", title="Spearman, fresh examples"), y2="to:Q")
    dots = _base().mark_point(filled=True, size=60, opacity=1, cursor="pointer").encode(x=x, y=y, tooltip=tips)
    ceiling = _base().mark_tick(thickness=2, width=14).encode(x=x, y=alt.Y("ceiling:Q", title="Spearman, fresh examples"))
    return (rule + ceiling + dots).properties(height=230, width=alt.Step(22))


def _score() -> Any:
    """Maps by a criterion's score and by the oracle's, as ranks within their sites."""
    tips = [alt.Tooltip("site:N"), alt.Tooltip("map:Q"), alt.Tooltip("x:Q", format=".4g"), alt.Tooltip("y:Q", format=".4g")]
    return (
        _base()
        .mark_circle(size=36, opacity=0.6, cursor="pointer")
        .encode(
            x=alt.X("x:Q", title="x"),
            y=alt.Y("y:Q", title="y"),
            color=alt.Color(
                "place:Q",
                scale=alt.Scale(scheme=alt.SchemeParams(name="viridis", extent=[0, 0.85])),
                legend=alt.Legend(title="site, from the input", orient="bottom"),
            ),
            tooltip=tips,
        )
        .properties(height=320)
    )


def _brushed() -> Any:
    """Two views of the maps of a network that share one brush: change in loss by site, and two scores."""
    brush = alt.selection_interval(name="brush")
    tips = [alt.Tooltip("site:N"), alt.Tooltip("map:Q"), alt.Tooltip("change:Q", format=".4g", title="nats")]
    colour = alt.Color("place:Q", scale=alt.Scale(scheme=alt.SchemeParams(name="viridis", extent=[0, 0.85])), legend=None)
    faded = alt.condition(brush, alt.value(0.75), alt.value(0.08))
    symlog = alt.Scale(type="symlog", constant=0.001, nice=False, padding=8)
    decades = alt.Axis(values=[0, *(sign * 10.0**power for power in range(-3, 4) for sign in (-1, 1))], format="~g")
    points = _base().mark_circle(size=34, cursor="pointer")
    numbers = alt.Axis(tickMinStep=1, format="d", grid=False)
    changes = points.encode(
        x=alt.X("along:Q", scale=alt.Scale(nice=False, zero=False), axis=numbers, title="site, from the input to the output"),
        y=alt.Y("change:Q", scale=symlog, axis=decades, title="change in loss, nats"),
        color=colour,
        opacity=faded,
        tooltip=tips,
    )
    scores = points.encode(x=alt.X("x:Q", title="x"), y=alt.Y("y:Q", title="y"), color=colour, opacity=faded, tooltip=tips)
    first = changes.properties(height=240, name="changes").add_params(brush)
    return alt.vconcat(first, scores.properties(height=280, name="scores")).resolve_scale(color="shared")


def _histogram() -> Any:
    x = alt.X("from:Q", title="change in loss of an example, nats", scale=alt.Scale(zero=False))
    y = alt.Y(
        "count:Q",
        scale=alt.Scale(type="symlog"),
        title="examples (logarithmic)",
        axis=alt.Axis(values=[0, 1, 3, 10, 30, 100, 300, 1000]),
    )
    tips = [alt.Tooltip("from:Q", format=".4g"), alt.Tooltip("to:Q", format=".4g"), alt.Tooltip("count:Q", title="examples")]
    bars = _base().mark_bar(orient="vertical").encode(x=x, x2="to:Q", y=y, tooltip=tips)
    mean = _base().mark_rule(strokeWidth=2).encode(x="mean(mean):Q")
    interval = _base().mark_rect(opacity=0.25).encode(x="mean(low):Q", x2="mean(high):Q")
    return (bars + interval + mean).properties(height=220)


def _classes() -> Any:
    y = alt.Y("class:N", sort=None, axis=alt.Axis(labelLimit=200, title=None))
    tips = [alt.Tooltip("class:N"), alt.Tooltip("said:N", title="nats"), alt.Tooltip("n:Q", title="examples")]
    title = "mean change in loss, nats, with its 95 % interval"
    rule = _base().mark_rule().encode(y=y, x=alt.X("low:Q", title=title), x2="high:Q")
    dots = _base().mark_point(filled=True, size=60, opacity=1).encode(y=y, x=alt.X("mean:Q", title=title), tooltip=tips)
    return (rule + dots).properties(height=alt.Step(STEP))


def _places(families: Sequence[dict[str, str]]) -> Any:
    y = alt.Y("criterion:N", sort=None, axis=alt.Axis(labelLimit=200, title=None, labelOverlap=False))
    x = alt.X("place:Q", title="place within its site, 1 the most important", scale=alt.Scale(domain=[0, 1]))
    tips = [alt.Tooltip("criterion:N"), alt.Tooltip("said:N", title="place")]
    points = _base().mark_point(filled=True, size=60, opacity=1, cursor="pointer")
    marks = points.encode(x=x, y=y, tooltip=tips, **_family(families))
    truth = _base().mark_rule(strokeDash=[5, 4]).encode(x=alt.X("max(truth):Q"))
    return (truth + marks).properties(height=alt.Step(14))


def _pruned() -> Any:
    """What judges the networks of pruning runs against what is left of them: a line per run and its networks as points.

    The script gives each run its family's colour and a dash of its own, `at`, what is left where the reader looks, and `only`,
    the run that stands out, of which an empty text means all.
    """
    at, only = alt.param(name="at", value=50), alt.param(name="only", value="")
    legend = alt.Legend(title=None, orient="bottom", symbolType="stroke", symbolSize=500, symbolOpacity=1)
    base = _base().encode(
        x=alt.X("left:Q", title="x", axis=alt.Axis(labelFlush=False), scale=alt.Scale(reverse=True, nice=False, zero=False)),
        y=alt.Y("value:Q", title="y", scale=alt.Scale(zero=False)),
        color=alt.Color("run:N", scale=alt.Scale(), legend=legend),
    )
    outstanding = "only === '' || datum.run === only"
    dashed = base.encode(strokeDash=alt.StrokeDash("run:N", scale=alt.Scale(), legend=legend))
    tips = [alt.Tooltip(name) for name in ("run:N", "seed:N", "network:N", "accuracy:N", "loss:N")]
    thin = dashed.transform_filter("datum.line === 'thin'").mark_line(strokeWidth=1)
    thick = dashed.transform_filter("datum.line === 'thick'").mark_line(strokeWidth=2.2)
    shaped = base.encode(shape=alt.Shape("run:N", scale=alt.Scale(), legend=None))
    dots = shaped.transform_filter("datum.measured").mark_point(filled=True, size=26, cursor="pointer")
    near = shaped.transform_filter("datum.measured && datum.left <= at + 0.005")
    near = near.transform_joinaggregate(nearest="max(left)", groupby=["run", "seed"])
    read = near.transform_filter("datum.left === datum.nearest").mark_point(filled=True, size=110)
    rule = _base().transform_aggregate(rows="count()").transform_calculate(left="at").mark_rule(strokeDash=[5, 4])

    def opacity(most: float, least: float = 0.1) -> Any:
        return alt.condition(outstanding, alt.value(most), alt.value(least))

    layers = (
        thin.encode(detail="seed:N", opacity=opacity(0.5)),
        thick.encode(opacity=opacity(1)),
        dots.encode(tooltip=tips, opacity=opacity(0.7)),
        read.encode(tooltip=tips, opacity=opacity(1)),
        rule.encode(x=alt.X("left:Q", title="x")),
    )
    return alt.layer(*layers).properties(height=360).add_params(at, only).resolve_legend(shape="independent")


def _smaller() -> Any:
    """A pruned network beside the whole one: a bar per site as long as the whole network has maps, filled as far as it kept."""
    y = alt.Y("site:N", sort=None, axis=alt.Axis(labelLimit=220, title=None, labelOverlap=False))
    tips = [alt.Tooltip("site:N"), alt.Tooltip("said:N", title="maps left")]
    whole = _base().mark_bar(opacity=0.25).encode(y=y, x=alt.X("whole:Q", title="maps"), tooltip=tips)
    kept = _base().mark_bar().encode(y=y, x=alt.X("kept:Q", title="maps"), tooltip=tips)
    spread = _base().mark_rule(strokeWidth=2).encode(y=y, x=alt.X("from:Q", title="maps"), x2="to:Q")
    return (whole + kept + spread).properties(height=alt.Step(STEP))
