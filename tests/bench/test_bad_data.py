"""What cannot be read is named, counted and left out, or an error where that is asked for; a wrong layout is always one."""

import sys
import tarfile
import urllib.error

import numpy as np
import pytest
import small_sets
import torchvision
from small_sets import SCREEN, VIEW

from pruning_oracle.bench.data import arrays, birds200, class_folders, flowers102, imagenet, nvgesture, video_folders
from pruning_oracle.bench.data.reading import unreadable
from pruning_oracle.bench.data.reading.files import files
from pruning_oracle.bench.data.reading.images import SUFFIXES
from pruning_oracle.bench.data.reading.videos import read_frames
from pruning_oracle.bench.errors import BadInput

pytestmark = pytest.mark.usefixtures("data_here")


def broken_image(tmp_path):
    folder = small_sets.classes(tmp_path / "set" / "train", ["a", "b"], each=3)
    small_sets.classes(tmp_path / "set" / "test", ["a", "b"])
    whole = (folder / "a" / "1.jpg").read_bytes()
    (folder / "a" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "0.jpg").write_bytes(b"")
    (folder / "b" / "2.jpg").write_bytes(b"not an image")
    return class_folders.image_folders("set", tmp_path / "set", VIEW)


def empty_class(tmp_path):
    small_sets.classes(tmp_path / "set" / "train", ["a", "b"])
    small_sets.classes(tmp_path / "set" / "test", ["a", "b"])
    (tmp_path / "set" / "train" / "c").mkdir(exist_ok=True)
    return class_folders.image_folders("set", tmp_path / "set", VIEW)


def broken_video(tmp_path):
    folder = small_sets.gestures(tmp_path, absent=False) / "Video_data" / "class_01"
    (folder / "subject3_r1" / "sk_depth.avi").write_bytes(b"RIFF half a video")
    return nvgesture.load("depth", SCREEN)


def short_video(tmp_path):
    folder = small_sets.gestures(tmp_path, absent=False) / "Video_data" / "class_02"
    small_sets.video(folder / "subject3_r0" / "sk_depth.avi", 2, frames=12)
    return nvgesture.load("depth", SCREEN)


def short_film(tmp_path):
    for split in ("train", "test"):
        for label, name in enumerate(["push", "wave"]):
            for number in (1, 2):
                small_sets.video(
                    tmp_path / "films" / split / name / f"{number}.avi", label, frames=9 if number == 2 == label + 2 else 24
                )
    return video_folders.load("films", tmp_path / "films", SCREEN)


LEFT_OUT = {
    broken_image: "set: 3 of 10 {} (train/a/1.jpg: not a readable image, OSError; train/b/0.jpg: an empty file; train/b/2.j",
    empty_class: "set: classes: 1 of 3 {} (train/c: an empty class)",
    broken_video: "nvGesture: 1 of 6 {} (Video_data/class_01/subject3_r1/sk_depth.avi 4:20: not a readable video, Invalid",
    short_video: "(Video_data/class_02/subject3_r0/sk_depth.avi 4:20: shorter than its window, frames 4 to 20, ",
    short_film: "films: 2 of 8 {} (test/push/2.avi: shorter than the 16 frames that are wanted, 9; train/push/2.avi: ",
}


@pytest.mark.parametrize("make", LEFT_OUT, ids=lambda make: make.__name__)
def test_what_cannot_be_read_is_left_out_or_an_error(tmp_path, monkeypatch, capsys, make):
    parts = make(tmp_path)
    assert LEFT_OUT[make].format("left out") in parts.left_out
    assert parts.left_out in capsys.readouterr().err
    for part in (parts.train, parts.test):
        assert len(part.__getitems__(list(range(len(part))))) == len(part) > 0
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(BadInput) as error:
        make(tmp_path)
    assert LEFT_OUT[make].format("cannot be used") in str(error.value)
    assert "without --strict or STRICT they are left out" in str(error.value)


def edited(file, old, new):
    file.write_text(file.read_text().replace(old, new, 1))


def birds_edited(name, old, new):
    def make(tmp_path):
        edited(small_sets.birds(tmp_path) / name, old, new)
        birds200.load(VIEW)

    return make


def gestures_edited(old, new):
    def make(tmp_path):
        edited(small_sets.gestures(tmp_path) / "nvgesture_train_correct_cvpr2016_v2.lst", old, new)
        nvgesture.load("depth", SCREEN)

    return make


def archived(name, **facts):
    def make(tmp_path):
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            member = tarfile.TarInfo(name)
            for key, value in facts.items():
                setattr(member, key, value)
            tar.addfile(member)
        class_folders.image_folders("set", tmp_path / "a.tar", VIEW)

    return make


def saved(**arrays_):
    def make(tmp_path):
        np.savez(tmp_path / "a.npz", **arrays_)
        arrays.load(tmp_path / "a.npz")

    return make


def flowers_split(tmp_path):
    folder = small_sets.flowers(tmp_path)
    small_sets.savemat(folder / "imagelabels.mat", {"labels": np.ones((1, 100))})
    flowers102.load(VIEW)


def flowers_gone(tmp_path):
    (small_sets.flowers(tmp_path) / "jpg" / "image_00007.jpg").unlink()
    flowers102.load(VIEW)


def flowers_cut(tmp_path):
    (small_sets.flowers(tmp_path) / "imagelabels.mat").write_bytes(b"MATLAB")
    flowers102.load(VIEW)


def flowers_named(tmp_path):
    small_sets.classes(tmp_path / "flowers102" / "train", ["rose", "1"])
    small_sets.classes(tmp_path / "flowers102" / "test", ["rose", "1"])
    flowers102.load(VIEW)


def strange_class(tmp_path):
    small_sets.classes(tmp_path / "set" / "train", ["a", "b"])
    small_sets.classes(tmp_path / "set" / "test", ["a", "z"])
    class_folders.image_folders("set", tmp_path / "set", VIEW)


def no_test(tmp_path):
    small_sets.classes(tmp_path / "set" / "train", ["a", "b"])
    class_folders.image_folders("set", tmp_path / "set", VIEW)


def one_class(tmp_path):
    class_folders.image_folders("set", small_sets.classes(tmp_path / "set", ["a"]), VIEW)


def few_classes(tmp_path):
    small_sets.imagenet(tmp_path, 3)
    imagenet.load(VIEW)


def unnumbered(tmp_path):
    small_sets.image(small_sets.sample(tmp_path) / "tench.JPEG", 1)
    imagenet.sample(VIEW)


def too_large(tmp_path):
    small_sets.sample(tmp_path, [1, 1000])
    imagenet.sample(VIEW)


def later_broken(tmp_path):
    data = class_folders.image_folders("set", small_sets.classes(tmp_path / "set", ["a", "b"], each=6), VIEW).train
    (tmp_path / "set" / "a" / "0.jpg").write_bytes(b"0" * 100)
    data[0]


def compressed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz"):
        pass
    files(tmp_path / "a.tar", SUFFIXES)


def nothing_to_test(tmp_path):
    small_sets.gestures(tmp_path)
    for folder in tmp_path.glob("nvgesture/Video_data/*/subject13_r0"):
        (folder / "sk_depth.avi").unlink()
    nvgesture.load("depth", SCREEN)


X, Y = np.zeros((4, 6, 5, 3), np.uint8), np.array([0, 1, 0, 1])
MISTAKES = {
    "birds nowhere": (
        lambda _: birds200.load(VIEW),
        r"no CUB-200-2011 in .*: expected CUB_200_2011/ with images.txt, .* set DATA",
    ),
    "a list gone": (
        lambda at: ((small_sets.birds(at) / "classes.txt").unlink(), birds200.load(VIEW)),
        "no .*classes.txt: CUB-200-20",
    ),
    "labels of other images": (
        birds_edited("image_class_labels.txt", "3 1\n", ""),
        r"image_class_labels.txt does not match images.txt: image 3 is in one alone \(1 such\)",
    ),
    "split of other images": (
        birds_edited("train_test_split.txt", "12 0\n", ""),
        "train_test_split.txt does not match .* image 12",
    ),
    "a class of no name": (
        birds_edited("image_class_labels.txt", "3 1\n", "3 77\n"),
        "gives class 77, which classes.txt does not",
    ),
    "a split that is none": (birds_edited("train_test_split.txt", "3 1\n", "3 x\n"), "image 3 has 'x'; 1 trains, 0 tests"),
    "a line that is none": (
        birds_edited("images.txt", "2 ", "two "),
        "images.txt, line 2: 'two .* is no new number with a text",
    ),
    "an image gone": (
        birds_edited("images.txt", "_0001.jpg", "_0009.jpg"),
        r"images.txt names .*_0009.jpg, which is not in images/ \(1 such of 12\)",
    ),
    "flowers' labels": (flowers_split, "setid.mat and imagelabels.mat do not match: 204 images are split, 100 labelled"),
    "a flower gone": (flowers_gone, r"setid.mat names image_00007.jpg, which is not in jpg/ \(1 such of 204\)"),
    "half a MATLAB file": (flowers_cut, "imagelabels.mat is missing, truncated or holds no 'labels'"),
    "flowers by name": (flowers_named, "its 2 class folders must be named 1 to 102, not 'rose'"),
    "ImageNet nowhere": (
        lambda _: imagenet.load(VIEW),
        r"no ImageNet in .*: expected imagenet/train/<n01440764 and so on>/\*.JPEG",
    ),
    "few classes": (few_classes, "imagenet/train has 3 class folders; ImageNet's networks know 1000 classes"),
    "sample nowhere": (lambda _: imagenet.sample(VIEW), "no sample of ImageNet in .*: expected imagenet_sample/"),
    "no number": (unnumbered, "the name of tench.JPEG does not begin with its class, 0 to 999"),
    "a label too large": (too_large, "1000_n00001000_thing.JPEG has label 1000; there are 1000 classes, 0 to 999"),
    "gestures nowhere": (
        lambda _: nvgesture.load(),
        r"no nvGesture in .*: expected nvgesture/ with nvgesture_train_correct\*.lst and",
    ),
    "a line without a label": (
        gestures_edited("label:1", "labelled"),
        "line 1: .* lacks path:…, depth:<video>:<first frame>:<end> or",
    ),
    "a gesture too many": (gestures_edited("label:1", "label:26"), "line 1: label 26 of 1 to 25, window 4 to 20"),
    "a window of nothing": (gestures_edited("sk_depth:4:20", "sk_depth:20:4"), "line 1: label 1 of 1 to 25, window 20 to 4"),
    "a clip outside": (gestures_edited("path:./", "path:../"), r"line 1: \.\./Video_data/.* lies outside"),
    "nothing to test on": (nothing_to_test, r"nvGesture: there is no example to test on \(test\)"),
    "no folder": (lambda at: class_folders.image_folders("set", at / "none", VIEW), "no folder or .tar at .*none"),
    "a class that is not trained": (strange_class, "set: test/z is no class of train, which has 2: a, b"),
    "no test": (no_test, "set: .* has a folder train, but none named test, val or valid"),
    "one class": (one_class, "holds fewer than 2 class folders with files to read: expected train/<class>"),
    "broken after the first look": (later_broken, "set/a/0.jpg: not a readable image, UnidentifiedImageError"),
    "an escaping member": (
        archived("../../a/1.jpg"),
        r"a.tar: its member '../../a/1.jpg' would escape the folder it is unpacked to",
    ),
    "an absolute member": (archived("/a/1.jpg"), "member '/a/1.jpg' would escape"),
    "a link": (
        archived("a/1.jpg", type=tarfile.SYMTYPE, linkname="/etc/x"),
        "member 'a/1.jpg' is a link to '/etc/x'; only files",
    ),
    "a compressed archive": (compressed, "a.tar is no uncompressed .tar .*: unpack it, or pack it as .tar"),
    "no array file": (lambda at: arrays.load(at / "a.npz"), "no file .*a.npz"),
    "half an array file": (
        lambda at: ((at / "a.npz").write_bytes(b"PK"), arrays.load(at / "a.npz")),
        "is truncated or no .npz",
    ),
    "no labels": (saved(x=X), "a.npz holds x; expected x and y"),
    "labels of others": (saved(x=X, y=Y[:2]), r"y is int64 \(2,\); expected one whole number for each of the 4 in x"),
    "no images": (saved(x=X[..., :2], y=Y), r"uint8 \(4, 6, 5, 2\); expected \[n, height, width\], or"),
    "no numbers": (
        saved(x=np.full((4, 1, 2), np.nan), y=Y),
        r"x is float64 \(4, 1, 2\); expected uint8 images, or finite numbers",
    ),
    "one label": (saved(x=X, y=Y * 0), "labels are 0 to 0; expected at least two classes, 0 and up"),
    "tests of another size": (saved(x=X, y=Y, x_test=X[:, 1:], y_test=Y), r"x_test is \(4, 5, 5, 3\), but x is \(4, 6, 5, 3\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_bad_sets_are_named(tmp_path, name):
    make, message = MISTAKES[name]
    with pytest.raises(BadInput, match=message):
        make(tmp_path)


def test_flowers_that_cannot_be_fetched_say_where_to_put_them(monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torchvision.datasets, "Flowers102", fail)
    with pytest.raises(
        BadInput, match=r"no Flowers-102 in .*: expected flowers-102/ .*; torchvision's download failed .*no network"
    ):
        flowers102.load(VIEW)


def test_no_video_reader_is_a_mistake_only_where_there_are_videos(tmp_path, monkeypatch):
    small_sets.gestures(tmp_path, absent=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BadInput, match="videos are read by PyAV, which is not installed here: pip install 'pruning-oracle"):
        read_frames(tmp_path / "nvgesture/Video_data/class_01/subject3_r0/sk_depth.avi", (0, 4), SCREEN)


def test_what_took_long_to_look_at_is_remembered(tmp_path, monkeypatch):
    seen = []

    def check(name):
        seen.append(name)
        if name == "b":
            raise BadInput("bad")

    monkeypatch.setattr(unreadable, "LONG", -1)
    for stamps, fresh in (({"a": "1", "b": "1"}, 2), ({"a": "1", "b": "1"}, 0), ({"a": "2", "b": "1"}, 2)):
        seen.clear()
        assert unreadable.find_unreadable("set", stamps, check) == {"b": "bad"}
        assert len(seen) == fresh
