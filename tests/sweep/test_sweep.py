"""Every network of the sweep has sites or says why not, and its replay equals whole passes."""

import pytest

from sweep.networks import EVERY, made
from sweep.tried import tried

HAVE_NONE = {"convnext_tiny", "edgenext_xx_small"}  # a layer norm behind each convolution, or nearly


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("library", "name", "shape"), EVERY[::6], ids=[name for _, name, _ in EVERY[::6]])
def test_a_sixth_of_the_sweep(library, name, shape):
    if library == "timm":
        pytest.importorskip("timm", reason="timm, whose network it is, is not installed")
    found = tried(made(library, name), shape)
    assert found["sites"] or name in HAVE_NONE
    if found["sites"]:
        assert found["compared"] >= 1
        assert found["largest difference"] < 1e-7
