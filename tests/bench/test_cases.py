"""The embedded and the real cases are as good as docs/reference/cases.md says, and the gestures need the order of time."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from scipy.stats import spearmanr
from toys import Pixel

from pruning_oracle.bench.data import cifar10, digits
from pruning_oracle.bench.data.gestures import CLASSES, FRAMES, GESTURES, ORDERLESS, Gestures, draw, pose
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.evaluation import evaluate
from pruning_oracle.bench.loading.assemble import cross_entropy
from pruning_oracle.bench.loading.load import find, load
from pruning_oracle.bench.registry import CASES
from pruning_oracle.bench.training.from_scratch import ScratchRecipe, train_from_scratch
from pruning_oracle.bench.weights import shipped
from pruning_oracle.criteria.criterion import choose_criteria
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.measure import measure

EMBEDDED = {"vgg-digits": (0.97, 13, 528), "resnet-digits": (0.97, 10, 352), "r3dcnn-gestures": (0.90, 8, 344)}
needs_data = pytest.mark.skipif(
    not (cifar10.root() / "cifar10").is_dir(), reason=f"no real data at DATA={os.environ.get('DATA', '../shared/data')}"
)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_networks_are_accurate(name, seed):
    least, sites, maps = EMBEDDED[name]
    case = load(name, seed)
    assert (len(case.sites), sum(site.maps for site in case.sites)) == (sites, maps)
    assert not case.left_out
    loss, accuracy = evaluate(case, case.test, range(len(case.test)))
    assert accuracy >= least
    assert loss < 0.5


def test_the_weights_are_small_enough_to_ship():
    files = list(shipped.FOLDER.glob("*.safetensors"))
    assert len(files) == 9
    assert sum(file.stat().st_size for file in files) < 12e6


def test_shuffled_frames_leave_nothing_but_what_frames_show():
    """With the frames of the same videos shuffled, the network falls below the best order-blind guess."""
    case = load("r3dcnn-gestures", 0)
    generator = torch.Generator().manual_seed(0)
    shuffled = [(video[:, torch.randperm(FRAMES, generator=generator)], label) for video, label in Gestures(360, stream=1)]
    assert evaluate(case, case.test, range(360))[1] > 0.9
    assert evaluate(case, shuffled, range(360))[1] <= ORDERLESS


def test_the_two_directions_of_a_motion_are_one_film_forwards_and_backwards():
    pairs = {}
    for name, motion, backwards in GESTURES:
        pairs.setdefault(motion, []).append((name, backwards))
    both = [sorted(backwards for _, backwards in names) for names in pairs.values()]
    assert both.count([False, True]) == 5
    assert both.count([False]) == 2
    assert pytest.approx((5 * 2 * 0.5 + 2) / CLASSES) == ORDERLESS


def test_a_swipe_left_moves_left_and_backwards_it_moves_right():
    hand = draw(pose("across", np.random.default_rng(3)))
    centre = [(frame.sum(0) * np.arange(32)).sum() / frame.sum() for frame in hand]
    assert centre[0] > centre[-1] + 5
    grown = draw(pose("grow", np.random.default_rng(3)))
    assert grown[-1].sum() > 2 * grown[0].sum()


def test_videos_depend_on_the_stream_and_the_index_alone():
    first, second, other = Gestures(50, stream=0), Gestures(10, stream=0), Gestures(50, stream=1)
    assert torch.equal(first[7][0], second[7][0])
    assert not torch.equal(first[7][0], other[7][0])
    assert first[7][0].shape == (1, FRAMES, 32, 32)
    assert [int(first[index][1]) for index in range(24)] == [*range(12), *range(12)]
    with pytest.raises(IndexError):
        first[50]


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDED)
def test_taylor_leads_the_weight_norm_and_random_is_near_nothing(name):
    """The report's headline, on fewer examples and by plain scipy: Spearman within each site, averaged over sites."""
    case = load(name, 0)
    rows = case.split(48)[0]
    changes = measure(case, Replay(case), rows, 48).changes
    evidence = collect(case, rows, 48, frozenset({"gate_grad"}), "test")
    found = {}
    for criterion in choose_criteria(["taylor", "weight_mean_square", "weight_l1", "random"]):
        scores = {site: criterion.reduce(criterion.saliency(seen)) for site, seen in evidence.items()}
        values = [spearmanr(scores[site], changes[site].mean(0).abs()).statistic for site in scores]
        found[criterion.name] = float(np.mean(values))
    sizes = [site.maps for site in case.sites]
    error = np.sqrt(sum(1 / (size - 1) for size in sizes)) / len(sizes)
    assert abs(found["random"]) < 3 * error
    assert found["taylor"] > 0.5
    assert found["taylor"] > 0.1 + max(found["weight_mean_square"], found["weight_l1"])


def test_digits_are_split_once_for_all_seeds():
    train, test = digits.load()
    assert (len(train), len(test)) == (1437, 360)
    assert -1 <= train.tensors[0].min() < train.tensors[0].max() <= 1
    assert torch.equal(torch.bincount(train.tensors[1]) > 130, torch.ones(10, dtype=torch.bool))


def test_shared_and_fresh_examples_are_disjoint_and_fixed():
    case = load("vgg-digits", 1)
    shared, fresh = case.split()
    assert (len(shared), len(fresh)) == (512, 512)
    assert not set(shared) & set(fresh)
    assert case.split() == (shared, fresh)
    assert load("vgg-digits", 2).split() != (shared, fresh)
    with pytest.raises(BadInput, match="vgg-digits: 2 examples asked for; allowed are 3 to 1434"):
        case.split(2)


def test_training_is_deterministic_from_its_seed():
    recipe = ScratchRecipe(Pixel4, lambda: torch.utils.data.Subset(digits.train(), range(64)), digits.test, epochs=2, rate=1e-2)
    first, again, other = (train_from_scratch(recipe, seed, "test").state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


class Pixel4(Pixel):
    """The toy network with ten classes and pooling."""

    def __init__(self):
        super().__init__()
        self.read = torch.nn.Linear(3, 10)

    def forward(self, images):
        return self.read(self.relu(self.conv(images)).mean((2, 3)))


@needs_data
@pytest.mark.parametrize(
    ("name", "accuracy", "loss", "maps"),
    [
        ("resnet20-cifar10", 0.9155, 0.3365, 400),
        ("resnet32-cifar10", 0.9300, 0.3466, 624),
        ("resnet44-cifar10", 0.9350, 0.3114, 848),
        ("cnn3-cifar10", 0.7730, 0.6704, 112),
    ],
)
def test_real_cases_are_as_their_readme_says(name, accuracy, loss, maps):
    case = load(name, 0)
    found = evaluate(case, case.test, range(2000))
    assert found == (pytest.approx(loss, abs=6e-5), pytest.approx(accuracy, abs=1e-9))
    assert sum(site.maps for site in case.sites) == maps
    assert not case.left_out


def test_torchvisions_own_folder_is_taken(tmp_path, monkeypatch):
    """A small folder in the real layout; the checksums of the real files are set aside, then found wrong."""
    folder = tmp_path / cifar10.BASE
    folder.mkdir()
    images, labels = np.arange(4 * 3072, dtype=np.uint8).reshape(4, 3072), [3, 1, 2, 0]
    for name in ["data_batch_1", "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": labels}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a"] * 10}))
    real = torchvision.datasets.CIFAR10
    monkeypatch.setenv("DATA", str(tmp_path))
    with pytest.raises(BadInput, match="is incomplete or corrupted"):
        cifar10.load("test", (0.5,) * 3, (0.5,) * 3)
    monkeypatch.setattr(real, "_check_integrity", lambda self: True)
    monkeypatch.setattr(real, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(real, "test_list", [["test_batch", None]])
    monkeypatch.setattr(real, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})
    for split in ("train", "test"):
        data = cifar10.load(split, (0.5,) * 3, (0.5,) * 3)
        assert data.tensors[1].tolist() == labels
        assert data.tensors[0][0, 0, 0, 1].item() == pytest.approx((1 / 255 - 0.5) / 0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no CIFAR-10 in .*expected cifar10/test_"),
        (b"PK\x03\x04 half", "is truncated or no .npz"),
        ({"x": np.zeros((2, 32, 32, 3))}, "holds x; expected x and y"),
        ({"x": np.zeros((2, 8, 8, 3)), "y": np.zeros(2)}, r"expected \[n, 32, 32, 3\]"),
        ({"x": np.zeros((2, 32, 32, 3)), "y": np.array([1, 12])}, "labels 0 to 9"),
    ],
)
def test_bad_cifar_files_are_named(tmp_path, monkeypatch, content, message):
    monkeypatch.setenv("DATA", str(tmp_path))
    file = tmp_path / "cifar10" / "test_2.npz"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.savez(file, **content)
    with pytest.raises(BadInput, match=message):
        cifar10.load("test", (0.5,) * 3, (0.5,) * 3)


def test_bad_weight_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA", str(tmp_path))
    with pytest.raises(BadInput, match=r"no weights at .*cnn3_cifar10.pt: set DATA"):
        load("cnn3-cifar10", 0)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "cnn3_cifar10.pt").write_bytes(b"half a file")
    with pytest.raises(BadInput, match=r"cnn3_cifar10.pt is truncated or not a weight file"):
        load("cnn3-cifar10", 0)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "weights" / "cnn3_cifar10.pt")
    with pytest.raises(BadInput, match=r"another architecture \(conv1.weight: \(1,\) instead of \(16, 3, 3, 3\); "):
        load("cnn3-cifar10", 0)


def test_seeds_that_were_not_trained_are_listed():
    with pytest.raises(BadInput, match=r"no trained weights for seed 7: there are seeds \[0, 1, 2\]; `make train`"):
        load("vgg-digits", 7)


def test_labels_out_of_range_are_named():
    with pytest.raises(BadInput, match="label 5 is out of range: the model has 4 classes, so labels are 0 to 3"):
        cross_entropy(torch.zeros(2, 4), torch.tensor([1, 5]))


def test_case_files(tmp_path):
    with pytest.raises(BadInput, match="no such case file: nowhere"):
        find("nowhere.py")
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(BadInput, match="must hold exactly one function marked @case; it holds: none"):
        find(str(empty))
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from pruning_oracle.bench.registry import case\n\n@case\ndef wrong_answer(seed):\n    return 3\n")
    with pytest.raises(BadInput, match="returned int, not a Case"):
        load(str(wrong), 0)
    taken = tmp_path / "taken.py"
    taken.write_text("from pruning_oracle.bench.registry import case\n\n@case\ndef vgg_digits(seed):\n    return 3\n")
    with pytest.raises(BadInput, match=r"case 'vgg-digits' in .*taken.py already exists in .*vgg_digits.py"):
        find(str(taken))
    CASES.pop("wrong-answer")


def test_the_example_in_the_documentation_is_the_example_file():
    code = Path("examples/my_case.py").read_text().split('"""\n', 1)[1].strip()
    assert code in Path("docs/how-to/own-network.md").read_text()
