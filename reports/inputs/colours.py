"""Colours and shapes of criteria: one of each for a family, the same on every chart, told apart without seeing red or green."""

from collections.abc import Sequence

LIGHT = ("#00a587", "#ff5a00", "#690000", "#4b00f0", "#c369e1", "#2d003c")  # on white: contrast 3 or more
DARK = ("#5affff", "#ffb400", "#e12d3c", "#a53cff", "#f0ffb4", "#5a78a5")  # on the dark page: the same
SHAPES = ("circle", "square", "triangle-up", "diamond")
WHITE, BLACK = "#ffffff", "#14161a"  # the page's backgrounds


def looks(families: Sequence[str]) -> list[dict[str, str]]:
    """A name, a colour on light and on dark and a shape for each family; no two have the same colour and shape.

    Raises:
        ValueError: there are more families than pairs of a colour and a shape.
    """
    if len(families) > len(LIGHT) * len(SHAPES):
        raise ValueError(
            f"{len(families)} families, but only {len(LIGHT) * len(SHAPES)} pairs of a colour and a shape: add one"
        )
    return [
        {
            "name": name,
            "light": LIGHT[place % len(LIGHT)],
            "dark": DARK[place % len(DARK)],
            "shape": SHAPES[place // len(LIGHT)],
        }
        for place, name in enumerate(families)
    ]
