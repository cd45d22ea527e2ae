"""Cases on real data under `DATA`, as far as minutes allow; they skip with a reason where the data are absent."""

import os

import pytest
import small_sets
import torch

from pruning_oracle.bench import runs
from pruning_oracle.bench.cases import r3dcnn_nvgesture as full_gestures
from pruning_oracle.bench.cases import r3dcnn_nvgesture_small as small_gestures
from pruning_oracle.bench.data.reading.data_folder import root
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.loading.load import load
from pruning_oracle.bench.models.r3dcnn import R3DCNN
from pruning_oracle.bench.weights import published, shipped
from pruning_oracle.bench.weights.trained import path

LOSS, ACCURACY = 1.50564, 0.66  # of every fifth of the 250, of which all give 1.506 and 0.664


def needs(folder):
    return pytest.mark.skipif(not (root() / folder).is_dir(), reason=f"no {folder} at DATA={os.environ.get('DATA', root())}")


@needs("imagenet_sample")
def test_squeezenet_on_250_images_is_as_accurate_as_others_found_it():
    case = load("squeezenet-imagenet", 0)
    assert (len(case.sites), sum(site.maps for site in case.sites)) == (25, 2976)
    assert evaluate(case, case.test, list(range(0, 250, 5)), 25) == (pytest.approx(LOSS, abs=1e-4), ACCURACY)
    assert [len(rows) for rows in case.split()] == [125, 125]


@needs("nvgesture")
def test_gestures_on_real_clips(tmp_path, monkeypatch):
    """With random weights: what training makes of 25 clips is a matter for a record."""
    pytest.importorskip("av")
    monkeypatch.setattr(runs, "TRAINED", tmp_path)
    torch.manual_seed(0)
    shipped.save(small_gestures.build(25), path("r3dcnn-nvgesture-small", 0), {})
    case = load("r3dcnn-nvgesture-small", 0)
    assert (len(case.sites), sum(site.maps for site in case.sites)) == (8, 344)
    assert (len(case.train), len(case.test)) == (25, 25)
    assert "nvGesture: 50 of 100 left out (Video_data/class_01/subject13_r0/sk_depth.avi 138:218: missing; " in case.why
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(BadInput, match=r"nvGesture: 50 of 100 cannot be used \(Video_data/class_01/subject13_r0/sk_depth.avi"):
        load("r3dcnn-nvgesture-small", 0)


@pytest.mark.slow
def test_the_full_size_gesture_network_sees_colours(tmp_path, monkeypatch):
    """Clips in the real layout, with random weights."""
    small_sets.gestures(tmp_path, window=(0, 16), labels=range(1, 5), absent=False)
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.setattr(runs, "TRAINED", tmp_path)
    torch.manual_seed(0)
    shipped.save(full_gestures.build(25, channels=3), path("r3dcnn-nvgesture-color", 0), {})
    case = load("r3dcnn-nvgesture-color", 0)
    assert (len(case.sites), sum(site.maps for site in case.sites)) == (8, 2752)
    assert case.train[0][0].shape == (3, 80, 112, 112)


def test_sites_of_a_large_network_are_found_on_small_images():
    """At 224 × 224 the sites are those of smaller images, on which they are found anyway."""
    model = published.untrained("alexnet", 102).eval()
    images = [(torch.randn(3, 224, 224), torch.tensor(0)) for _ in range(6)]
    quick, slow = (assemble(model, images, images, probe=probe) for probe in ((model, torch.randn(2, 3, 64, 64)), None))
    assert quick.sites == slow.sites
    assert sum(site.maps for site in quick.sites) == 1152
    two = torch.stack([image for image, _ in images[:2]])
    with torch.no_grad():
        assert torch.equal(quick.model(two), slow.model(two))


def test_a_probe_may_be_the_network_made_for_smaller_videos():
    """As the full-size gesture network's: its sites, with the weights of the network itself."""
    torch.manual_seed(0)
    model, twin = (R3DCNN(5, shrink=16, frames=16, positions=positions).eval() for positions in (8, 2))
    videos = [(torch.randn(1, 32, 64, 64), torch.tensor(0)) for _ in range(6)]
    quick = assemble(model, videos, videos, probe=(twin, torch.zeros(2, 1, 32, 32, 32)))
    assert [site.maps for site in quick.sites] == [4, 8, 16, 16, 32, 32, 32, 32]
    assert runs.digest(shipped.arrays(quick.model)) == runs.digest(shipped.arrays(model))
    one = videos[0][0][None]
    with torch.no_grad():
        assert torch.allclose(quick.model(one), model(one), atol=1e-6)
    full, small_videos = full_gestures.probe(25)
    assert [name for name, _ in full.named_parameters()] == [name for name, _ in full_gestures.build(25).named_parameters()]
    assert small_videos.shape == (2, 1, 32, 32, 32)


def test_a_probe_that_computes_something_else_is_refused():
    def build(activation):
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), activation, torch.nn.Flatten(), torch.nn.Linear(144, 5)).eval()

    images = [(torch.randn(3, 8, 8), torch.tensor(0)) for _ in range(6)]
    probe = build(torch.nn.Tanh()), torch.randn(2, 3, 8, 8)
    with pytest.raises(BadInput, match="the probe is another network than Sequential: their outputs differ"):
        assemble(build(torch.nn.ReLU()), images, images, probe=probe)


def test_a_probe_of_another_network_is_refused():
    model = published.untrained("squeezenet1_0", 5).eval()
    images = [(torch.randn(3, 64, 64), torch.tensor(0)) for _ in range(6)]
    other = published.untrained("alexnet", 5).eval()
    with pytest.raises(BadInput, match="the probe is another network than SqueezeNet"):
        assemble(model, images, images, probe=(other, torch.randn(2, 3, 64, 64)))
