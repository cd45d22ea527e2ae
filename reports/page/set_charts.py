"""The page's charts of studies of sets; `charts.py` tells how charts come by their rows."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from pruning_oracle.reports.inputs.colours import LIGHT, SHAPES

ROWS = "rows"
STEP = 18  # pixels of a row
MEASURED = {"name": "measured, no criterion", "light": "#767676", "shape": "cross"}
PLACE = alt.Scale(scheme=alt.SchemeParams(name="viridis", extent=[0, 0.85]))


def set_charts(families: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Their specifications by name; families have the looks of `colours.looks`."""
    networks = [{**families[place], "shape": SHAPES[place % len(SHAPES)]} for place in range(len(LIGHT))]
    return {
        "dots": _dots("family", [*families, MEASURED], [one["name"] for one in (*families, MEASURED)]),
        "compared": _dots("network", networks, None),
        "adding": _adding(),
        "sensitivity": _sensitivity(),
        "pairs": _pairs(),
    }


def _base() -> Any:
    return alt.Chart(alt.NamedData(ROWS))


def _dots(by: str, looks: Sequence[dict[str, str]], names: list[str] | None) -> Any:
    """Values with their ranges, a row for each `what`; a dashed line at `reference`, of each network its own."""
    known: dict[str, Any] = {"domain": names} if names else {}
    colours = alt.Scale(range=[look["light"] for look in looks], **known)
    shapes = alt.Scale(range=[look["shape"] for look in looks], **known)
    legend = alt.Legend(title=None, orient="bottom", columns=4)
    colour = alt.Color(f"{by}:N", scale=colours, legend=legend)
    y = alt.Y("what:N", sort=None, axis=alt.Axis(labelLimit=340, title=None, labelOverlap=False, grid=True))
    x = alt.X("value:Q", title="x", scale=alt.Scale(zero=False))
    more = [("network", "network")] if by == "network" else []
    tips = [alt.Tooltip(f"{name}:N", title=title) for name, title in (("what", "of"), *more, ("said", "value"))]
    apart = alt.YOffset(f"{by}:N", sort=None) if by == "network" else alt.Undefined
    lines = _base().mark_rule(strokeWidth=1.5).encode(y=y, yOffset=apart, x=alt.X("from:Q", title="x"), x2="to:Q", color=colour)
    points = _base().mark_point(filled=True, size=50, opacity=1, cursor="pointer")
    marks = points.encode(
        y=y, yOffset=apart, x=x, tooltip=tips, color=colour, shape=alt.Shape(f"{by}:N", scale=shapes, legend=legend)
    )
    own = colour if by == "network" else alt.Undefined
    reference = _base().mark_rule(strokeDash=[5, 4]).encode(x=alt.X("max(reference):Q", title="x"), color=own)
    return (reference + lines + marks).properties(height=alt.Step(STEP))


def _adding() -> Any:
    """Joint loss against the sum of single changes, a point per site, and the diagonal, where changes add."""
    scale = alt.Scale(type="symlog", constant=0.01)
    x = alt.X("single:Q", scale=scale, axis=alt.Axis(tickCount=8, labelOverlap=True), title="sum of single changes, nats")
    y = alt.Y("joint:Q", scale=scale, title="joint loss, nats")
    tips = [alt.Tooltip("what:N", title="site"), alt.Tooltip("single:Q", format=".3g"), alt.Tooltip("joint:Q", format=".3g")]
    diagonal = _base().mark_line(strokeDash=[5, 4]).encode(x=x, y=alt.Y("single:Q", scale=scale, title="joint loss, nats"))
    ends = _base().mark_rule(opacity=0.6).encode(x=x, y=alt.Y("low:Q", scale=scale, title="joint loss, nats"), y2="high:Q")
    legend = alt.Legend(title="site; 0 is all of them", orient="bottom")
    points = _base().mark_circle(size=90, opacity=1, cursor="pointer")
    marks = points.encode(x=x, y=y, color=alt.Color("place:Q", scale=PLACE, legend=legend), tooltip=tips)
    return (diagonal + ends + marks).properties(height=320)


def _sensitivity() -> Any:
    """Joint loss against the share of a site that goes, a curve per site; that of the site which is picked stands out."""
    legend = alt.Legend(title="site, from the input", orient="bottom")
    colour = alt.Color("place:Q", scale=PLACE, legend=legend)
    y = alt.Y("value:Q", scale=alt.Scale(type="symlog", constant=0.01), title="joint loss, nats")
    tips = [alt.Tooltip("what:N", title="site"), alt.Tooltip("share:Q", format=".0%"), alt.Tooltip("said:N", title="nats")]
    picked = alt.condition("datum.picked", alt.value(1), alt.value(0.12))
    x = alt.X("share:Q", axis=alt.Axis(format="%", tickCount=8), title="maps removed, of this site alone")
    lines = _base().mark_line(point=alt.OverlayMarkDef(filled=True, size=45, cursor="pointer"), cursor="pointer")
    return lines.encode(x=x, y=y, color=colour, detail="what:N", opacity=picked, tooltip=tips).properties(height=340)


def _pairs() -> Any:
    """Interactions of the pairs of two sites, or of two maps."""
    axis: dict[str, Any] = {"labelLimit": 180, "title": None, "labelOverlap": False}
    tips = [alt.Tooltip("what:N", title="of"), alt.Tooltip("other:N", title="and"), alt.Tooltip("said:N", title="nats")]
    scale = alt.Scale(scheme="purpleorange", domainMid=0)
    colour = alt.Color("value:Q", scale=scale, legend=alt.Legend(title="interaction, nats", orient="bottom"))
    x = alt.X("other:N", sort=alt.EncodingSortField("second", "min"), axis=alt.Axis(labelAngle=-90, orient="top", **axis))
    cells = _base().mark_rect(cursor="pointer", invalid=None)
    cells = cells.encode(
        x=x, y=alt.Y("what:N", sort=alt.EncodingSortField("place", "min"), axis=alt.Axis(**axis)), tooltip=tips, color=colour
    )
    return cells.properties(width=alt.Step(STEP + 4), height=alt.Step(STEP))
