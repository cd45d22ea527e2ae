"""The explorable page: one file that opens from disk without a network, with data, charts, tables, script and style in it."""

import base64
import functools
import hashlib
import importlib.resources
import re
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from latex2mathml.converter import convert
from markupsafe import Markup

from pruning_oracle.bench.runs import write_atomically
from pruning_oracle.bench.runs.kinds import PAGE
from pruning_oracle.bench.terminal import printable
from pruning_oracle.reports.inputs.definitions import definitions
from pruning_oracle.reports.page.charts import charts
from pruning_oracle.reports.page.content.pack import Columns, pack

HERE = Path(__file__).parent
TITLE = "agreement of pruning criteria with the oracle"
LOADING = "The page unpacks its data with a script, which needs a browser of 2023 or later."


def write_page_file(facts: dict[str, Any], columns: Columns, file: Path) -> None:
    """Writes the page.

    Args:
        facts: what the page says, as `contents` gives it.
        columns: its numbers.
        file: where it is written.
    """
    block, sha256 = pack(facts | {"charts": charts(facts["families"])}, columns)
    style, scripts = inlined((HERE / "style.css").read_text("utf-8")), [vega(), data_tables(), own_script()]
    formulas = {name: formula(name) for name in facts["criteria"] if definitions().get(name) and definitions()[name].formula}
    loader = jinja2.FileSystemLoader(HERE)
    template = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template("page.html")
    page = template.render(
        policy=policy(style, scripts),
        title=TITLE,
        style=style,
        loading=LOADING,
        source=printable(" ".join(facts["sentences"])),
        formulas=formulas,
        sha256=sha256,
        block=block,
        scripts=scripts,
    )
    write_atomically(file, page, PAGE)


def policy(style: str, scripts: list[Markup]) -> str:
    """The content security policy: nothing is loaded from anywhere, and no script or style runs but these, by their hashes."""
    known = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {known}; style-src '{_digest(style)}'; img-src data: blob:;"
        " base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache
def vega() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return inlined(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


@functools.cache
def data_tables() -> Markup:
    """DataTables as a script that puts its class where ours find it; it ships as a module that exports it."""
    text = importlib.resources.files("itables").joinpath("html/dt_bundle.js").read_text("utf-8")
    start = text.rindex("export{")
    end = text.index("}", start) + 1
    exported = [part.split(" as ") for part in text[start + len("export{") : end - 1].split(",")]
    inside = next(inside for inside, outside in exported if outside == "default")
    return inlined(f"{text[:start]}globalThis.DataTable={inside};{text[end:]}")


@functools.cache
def own_script() -> Markup:
    """Our own script: the files of `script/` in the order of their names."""
    return inlined("\n".join(path.read_text("utf-8") for path in sorted((HERE / "script").glob("*.js"))))


@functools.cache
def formula(name: str) -> Markup:
    """The formula of a criterion of the suite as MathML."""
    return Markup(convert(definitions()[name].formula, display="block"))  # noqa: S704 (from the suite's own source)


def inlined(text: str) -> Markup:
    """A script or style as it may stand inside its element: nothing in it ends the element early."""
    return Markup(re.sub(r"<(/script|/style|!--)", r"\\x3c\1", text, flags=re.IGNORECASE))  # noqa: S704 (no data)
