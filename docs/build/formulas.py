"""LaTeX as MathML, which browsers set by themselves: no script and no network when a page is read."""

import html
import re

from latex2mathml.converter import convert

MARKED = re.compile(
    r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL
)  # as pymdownx.arithmatex leaves them


def mathml(page: str) -> str:
    """A page of HTML whose formulas, `$…$` and `$$…$$` in its Markdown, are MathML."""

    def converted(found: re.Match[str]) -> str:
        latex = " ".join(html.unescape(found[3]).split())
        made: str = convert(latex, display="block" if found[2] == "[" else "inline")
        return f'<{found[1]} class="formula">{made}</{found[1]}>'

    return MARKED.sub(converted, page)
