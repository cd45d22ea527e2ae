"""The first picture: what the ten lines of the first page draw, made by running them."""

import re
from pathlib import Path

from pruning_oracle.docs.build import pictures

PAGE = Path(__file__).parents[1] / "index.md"
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def first_lines() -> str:
    """The first block of Python of the first page."""
    found = CODE.search(PAGE.read_text("utf-8"))
    assert found, f"{PAGE} has no block of Python"
    return found[1]


def first_picture(says: str) -> str:
    """Runs the first page's lines, whose last plots, and shows the figure that they leave."""
    import pruning_oracle  # noqa: PLC0415 (lazy, like the next one, which has a backend without windows by now)

    if not hasattr(pruning_oracle, "measure"):
        return "(The picture is drawn once the functions above are in this version.)"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plt.close("all")
    exec(compile(first_lines(), str(PAGE), "exec"), {})  # noqa: S102 (the page's own lines)
    return pictures.picture(plt.gcf(), "first-oracle", says).replace("](../", "](")
