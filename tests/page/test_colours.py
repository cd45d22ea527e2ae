"""Colours of criteria can be told apart by everybody, on light and on dark pages."""

import itertools

import numpy as np
import pytest

from pruning_oracle.reports.inputs.colours import BLACK, DARK, LIGHT, SHAPES, WHITE, looks
from pruning_oracle.reports.inputs.definitions import families

# linear RGB as people see it who lack a kind of cone (Machado, Oliveira, Fernandes 2009, severity 1)
SEEN = {
    "by most": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
APART = 25  # CIELAB units; 2 are just seen, side by side


def linear(colour):
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    scaled = XYZ @ rgb / np.array([0.95047, 1, 1.08883])
    root = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def apart(one, other, how):
    first, second = (lab(np.clip(np.array(SEEN[how]) @ linear(colour), 0, 1)) for colour in (one, other))
    return np.linalg.norm(first - second)


def contrast(one, other):
    low, high = sorted(0.05 + XYZ[1] @ linear(colour) for colour in (one, other))
    return high / low


@pytest.mark.parametrize("how", SEEN)
@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_no_two_colours_look_alike(colours, how):
    for one, other in itertools.combinations(colours, 2):
        assert apart(one, other, how) > APART, (one, other)


def test_the_measure_knows_red_and_green():
    assert apart("#d62728", "#2ca02c", "by most") > 3 * apart("#d62728", "#7f7f00", "deuteranopia")


@pytest.mark.parametrize(("colours", "page"), [(LIGHT, WHITE), (DARK, BLACK)], ids=["light", "dark"])
def test_every_colour_stands_out_from_the_page(colours, page):
    assert all(contrast(colour, page) >= 3 for colour in colours)


def test_every_family_has_a_look_of_its_own():
    found = looks(families())
    assert len({(look["light"], look["shape"]) for look in found}) == len(found) == len(families())
    with pytest.raises(ValueError, match="add one"):
        looks([str(place) for place in range(len(LIGHT) * len(SHAPES) + 1)])
