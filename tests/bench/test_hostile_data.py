"""Data that lies, loops, blocks or bursts: each is named with its reason, little of it is believed, and the rest is used."""

import io
import json
import os
import socket
import struct
import tarfile
import threading
import warnings
import zipfile

import numpy as np
import pytest
import small_sets
from commands import command
from PIL import Image
from small_sets import SCREEN, VIEW

from pruning_oracle.bench.data import arrays, birds200, class_folders, flowers102, nvgesture, video_folders
from pruning_oracle.bench.data.reading import files as files_module
from pruning_oracle.bench.data.reading import npz, unreadable, videos
from pruning_oracle.bench.data.reading.files import files
from pruning_oracle.bench.data.reading.images import SUFFIXES, decode_image
from pruning_oracle.bench.errors import BadInput

pytestmark = pytest.mark.usefixtures("data_here")
EACH = 6


@pytest.fixture
def photos(tmp_path):
    """Twelve images of two classes; every fifth of a class is for testing."""
    return small_sets.classes(tmp_path / "photos", ["a", "b"], each=EACH)


def loaded(photos):
    parts = class_folders.image_folders("photos", photos, VIEW)
    for part in (parts.train, parts.test):
        assert len(part.__getitems__(list(range(len(part))))) == len(part) > 0
    return parts


def fifo(photos):
    os.mkfifo(photos / "a" / "9.jpg")


def bound_socket(photos):
    here = os.getcwd()  # noqa: PTH109 (a socket's path must be short)
    os.chdir(photos / "a")
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("9.jpg")
    finally:
        os.chdir(here)


def dangling(photos):
    (photos / "a" / "9.jpg").symlink_to("nowhere.jpg")


def endless(photos):
    (photos / "a" / "9.jpg").symlink_to("9.jpg")


def device(photos):
    (photos / "a" / "9.jpg").symlink_to("/dev/zero")


def sparse(photos):
    with (photos / "a" / "9.jpg").open("wb") as file:
        file.truncate(2**40)


def loop(photos):
    (photos / "a" / "9.jpg").symlink_to("..", target_is_directory=True)


def twin(photos):
    (photos / "a" / "9.jpg").symlink_to("1.jpg")


def program(photos):
    (photos / "a" / "9.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")


def bomb(photos):
    Image.new("1", (10_000, 12_000)).save(photos / "a" / "9.png")


def slender(photos):
    Image.new("L", (1, 60_000)).save(photos / "a" / "9.png")


def cut(photos):
    whole = (photos / "a" / "1.jpg").read_bytes()
    (photos / "a" / "9.jpg").write_bytes(whole[:-200])


def huge_header(photos):
    """A PNG whose header says two milliard pixels each way."""
    content = bytearray((small_sets.image(photos / "x.png", 0)).read_bytes())
    (photos / "x.png").unlink()
    content[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    (photos / "a" / "9.png").write_bytes(bytes(content))


def floating(photos):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(photos / "a" / "9.tif")


ODD_FILES = {
    floating: "a/9.tif: floating-point pixels, of which nobody knows what is white",
    fifo: "a/9.jpg: a FIFO, not a file",
    bound_socket: "a/9.jpg: a socket, not a file",
    dangling: "a/9.jpg: a link to nothing",
    endless: "a/9.jpg: a link to nothing",
    device: "a/9.jpg: a device, not a file",
    sparse: "a/9.jpg: 1,099,511,627,776 bytes, more than any image (at most 268,435,456)",
    loop: "a/9.jpg: a link back to a folder that holds it",
    twin: "a/9.jpg: the same file as a/1.jpg",
    program: "a/9.jpg: not a readable image, UnidentifiedImageError",
    bomb: "a/9.png: 10000 × 12000 pixels, beyond what is read",
    slender: "a/9.png: 1 × 60000 pixels, beyond what is read",
    cut: "a/9.jpg: not a readable image, OSError",
    huge_header: "a/9.png: not a readable image, ",
}


@pytest.mark.parametrize("make", ODD_FILES, ids=lambda make: make.__name__)
def test_one_odd_file_is_left_out_with_its_reason(photos, capsys, monkeypatch, make):
    make(photos)
    parts = loaded(photos)
    assert f"photos: 1 of 13 left out ({ODD_FILES[make]}" in parts.left_out
    assert (len(parts.train), len(parts.test), parts.classes) == (10, 2, ("a", "b"))
    assert parts.left_out in capsys.readouterr().err
    monkeypatch.setenv("STRICT", "1")
    with pytest.raises(BadInput, match="cannot be used"):
        loaded(photos)


def test_odd_files_of_sets_too_large_to_be_read_beforehand_are_left_out_too(photos, monkeypatch):
    monkeypatch.setattr("pruning_oracle.bench.data.reading.splits.UNREAD", 5)
    fifo(photos)
    assert "a/9.jpg: a FIFO, not a file" in loaded(photos).left_out


def test_links_to_folders_are_followed_once(tmp_path, photos):
    """A loop at the level of the classes is no class, and two folders that hold one another end somewhere."""
    (photos / "loop").symlink_to(photos, target_is_directory=True)
    (photos / "a" / "other").symlink_to("../b", target_is_directory=True)
    (photos / "b" / "other").symlink_to("../a", target_is_directory=True)
    parts = loaded(photos)
    assert (len(parts.train), len(parts.test), parts.classes) == (10, 2, ("a", "b"))
    assert "photos: classes: 1 of 3 left out (loop: a link back to a folder that holds it)" in parts.left_out
    assert "left out (a/other/0.jpg: the same file as b/0.jpg; " in parts.left_out
    whole = small_sets.classes(tmp_path / "elsewhere", ["x"], each=EACH)
    (photos / "c").symlink_to(whole / "x", target_is_directory=True)
    assert len(loaded(photos).train) == 15, "a folder that lies elsewhere is a class"


def test_the_test_part_may_be_a_link_to_the_training_part(tmp_path):
    small_sets.classes(tmp_path / "set" / "train", ["a", "b"])
    (tmp_path / "set" / "test").symlink_to("train", target_is_directory=True)
    parts = loaded(tmp_path / "set")
    assert (len(parts.train), len(parts.test), parts.left_out) == (4, 4, "")


def test_names_that_are_no_text_are_used_and_shown_as_escapes(photos):
    whole = (photos / "a" / "1.jpg").read_bytes()
    os.makedirs(os.fsencode(photos) + b"/\xff\x1b[31m")  # noqa: PTH103
    for number in range(EACH):
        with open(os.fsencode(photos) + f"/a/\udcfe{number}.jpg".encode(errors="surrogateescape"), "wb") as file:  # noqa: PTH123
            file.write(whole)
        with open(os.fsencode(photos) + b"/\xff\x1b[31m/%d.jpg" % number, "wb") as file:  # noqa: PTH123
            file.write(whole if number else b"")
    parts = loaded(photos)
    assert len(parts.train) + len(parts.test) == 4 * EACH - 1
    assert parts.classes == ("a", "b", r"\udcff\x1b[31m")
    assert r"(\udcff\x1b[31m/0.jpg: an empty file)" in parts.left_out
    parts.left_out.encode()


def test_what_may_not_be_read_is_named(photos, monkeypatch):
    """Root may read everything, so the refusal is acted here."""
    opened, listed = files_module.Path.open, os.scandir

    def refuse(call, name):
        def refusing(path, *given):
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *given)

        return refusing

    (photos / "a" / "deep").mkdir()
    monkeypatch.setattr(files_module.Path, "open", refuse(opened, "b/3.jpg"))
    monkeypatch.setattr(os, "scandir", refuse(listed, "a/deep"))
    found = loaded(photos).left_out
    assert "a/deep: cannot be entered, Permission denied" in found
    assert "b/3.jpg: cannot be read, Permission denied" in found


def test_hidden_folders_are_no_classes(photos):
    small_sets.classes(photos, [".ipynb_checkpoints"])
    assert loaded(photos).classes == ("a", "b")


def test_a_class_of_which_nothing_can_be_read_is_no_second_class(photos):
    for file in (photos / "b").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(BadInput, match="photos: a alone has examples to train on; at least 2 classes need some"):
        loaded(photos)


def member(name, content=b"", **facts):
    found = tarfile.TarInfo(name)
    found.size = len(content)
    for key, value in facts.items():
        setattr(found, key, value)
    return found, io.BytesIO(content)


def packed(tmp_path, photos, *more):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for file in sorted(photos.rglob("*.jpg")):
            tar.add(file, file.relative_to(photos))
        for info, content in more:
            tar.addfile(info, content if info.isreg() else None)
    return tmp_path / "a.tar"


def test_members_of_an_archive_that_are_no_files_are_left_out(tmp_path, photos):
    sparse_member = member("a/9.jpg", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**45)})
    parts = loaded(packed(tmp_path, photos, sparse_member, member("b/9.jpg", type=tarfile.FIFOTYPE)))
    assert "2 of 14 left out (a/9.jpg: a sparse file; b/9.jpg: not a file)" in parts.left_out


def test_a_member_that_claims_terabytes_is_not_believed(tmp_path, photos):
    archive = packed(tmp_path, photos)
    whole = archive.read_bytes()
    last = member("b/9.jpg")[0]
    last.size = 2**42
    archive.write_bytes(whole[: whole.rindex(b"b/5.jpg") + 512 + 1024] + last.tobuf())
    with pytest.raises(BadInput, match=r"a\.tar is no uncompressed \.tar \(unexpected end of data\)"):
        loaded(archive)
    (place,) = files_module._members(archive, [last], SUFFIXES).values()
    assert place.fault == "said to have 4,398,046,511,104 bytes, more than its archive"


def test_a_video_that_is_none_of_a_playlist_and_a_fifo(tmp_path):
    for label, name in enumerate(["push", "wave"]):
        for number in range(EACH):
            small_sets.video(tmp_path / "films" / name / f"{number}.avi", label)
    os.mkfifo(tmp_path / "films/push/8.avi")
    (tmp_path / "films/wave/9.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/films/push/1.avi\n#EXT-X-ENDLIST\n")
    parts = video_folders.load("films", tmp_path / "films", SCREEN)
    assert "films: 2 of 14 left out (push/8.avi: a FIFO, not a file; wave/9.mp4: not a readable video, " in parts.left_out
    assert len(parts.train) == 10


def test_a_video_longer_than_memory_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(videos, "ROOM", 10 * 20 * 20)
    path = small_sets.video(tmp_path / "1.avi", 0)
    with pytest.raises(BadInput, match="longer than 11 frames, which is all that is kept of one video"):
        videos.read_frames(path, None, SCREEN)


X, Y = np.zeros((10, 6, 5, 3), np.uint8), np.arange(10) % 2
FLOATS = np.ones((10, 1, 4, 4))


def saved(tmp_path, **held):
    np.savez(tmp_path / "a.npz", **held)
    return tmp_path / "a.npz"


def with_value(value, row=7):
    changed = FLOATS.copy()
    changed[row, 0, 2, 1] = value
    return changed


BAD_ARRAYS = {
    "a label of 2**62": ({"x": X, "y": Y * 2**62}, r"y has labels 0 to 4611686018427387904; allowed are 0 to 99999"),
    "a label beyond int64": ({"x": X, "y": Y.astype(np.uint64) * (2**64 - 1)}, "labels 0 to 18446744073709551615; allowed"),
    "labels below 0": ({"x": X, "y": Y - 1}, "y has labels -1 to 0; allowed are 0 to 99999"),
    "labels with fractions": (
        {"x": X, "y": Y + 0.5},
        r"y is float64 \(10,\); expected one whole number for each of the 10 in x",
    ),
    "labels that are flags": ({"x": X, "y": Y == 1}, r"y is bool \(10,\); expected one whole number"),
    "labels of objects": ({"x": X, "y": Y.astype(object)}, "y holds Python objects, which are never loaded; expected numbers"),
    "inputs of objects": ({"x": FLOATS.astype(object), "y": Y}, "x holds Python objects, which are never loaded"),
    "fewer labels": ({"x": X, "y": Y[:9]}, r"y is int64 \(9,\); expected one whole number for each of the 10 in x"),
    "one number": ({"x": np.uint8(3), "y": Y}, "expected one whole number for each of the 0 in x"),
    "nothing to test on": (
        {"x": X[:8], "y": Y[:8]},
        "there is no example to test on: give x_test and y_test, or 5 examples of",
    ),
    "an empty test": ({"x": X, "y": Y, "x_test": X[:0], "y_test": Y[:0]}, "y_test is int64 .0,.; expected one whole number"),
    "a test without labels": ({"x": X, "y": Y, "x_test": X}, "expected x and y, and x_test and y_test if it is split"),
    "beyond float32": ({"x": with_value(1e300), "y": Y}, r"finite numbers .* of float32, but example 7 holds 1e\+300"),
    "not a number": ({"x": with_value(np.nan, 3), "y": Y}, "of float32, but example 3 holds nan"),
    "infinite": ({"x": with_value(-np.inf), "y": Y}, "of float32, but example 7 holds -inf"),
    "no pixels": ({"x": X[:, :0], "y": Y}, r"uint8 \(10, 0, 5, 3\); expected"),
    "no positions": ({"x": FLOATS[..., :0], "y": Y}, r"x is float64 \(10, 1, 4, 0\); expected"),
    "complex": ({"x": FLOATS * 1j, "y": Y}, "x is complex128"),
    "texts": ({"x": X, "y": np.array(list("abababcdcd"))}, r"y is <U1 \(10,\); expected one whole number"),
    "fields": ({"x": X, "y": np.zeros(10, [("a", "i4")])}, r"y is \[\('a', '<i4'\)\] \(10,\); expected one whole number"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_are_no_examples_are_named(tmp_path, name):
    held, message = BAD_ARRAYS[name]
    path = saved(tmp_path, **held)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput, match=message) as error:
            arrays.load(path)
    assert str(error.value).startswith(str(path))


def test_classes_without_examples_are_counted(tmp_path, capsys):
    parts = arrays.load(saved(tmp_path, x=X, y=Y * 3))
    assert parts.classes == ("0", "1", "2", "3")
    assert "a.npz: classes: 2 of 4 left out (1: an empty class; 2: an empty class)" in parts.left_out
    assert parts.left_out in capsys.readouterr().err


def test_numbers_of_the_other_byte_order_are_numbers(tmp_path):
    parts = arrays.load(saved(tmp_path, x=(FLOATS * 3).astype(">f8"), y=Y.astype(">i2")))
    assert parts.train[0][0].unique().tolist() == [3.0]
    assert [int(label) for _, label in (parts.train[row] for row in range(8))] == [0, 1] * 4


def header(shape, kind="'|u1'"):
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def zipped(tmp_path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", header((4,)) + bytes(4))
    return tmp_path / "a.npz"


@pytest.mark.parametrize("shape", ["(1099511627776, 8, 8)", "(-4, -4, 1)", "(4, 4)", f"({2**62}, {2**62}, {2**62})"])
def test_a_header_that_promises_what_is_not_there_is_not_believed(tmp_path, shape):
    with pytest.raises(BadInput, match=r"a\.npz: x says that it is uint8 .* bytes, but the file does not hold them"):
        arrays.load(zipped(tmp_path, header(shape) + bytes(10)))


def test_sizes_that_compression_cannot_reach_are_not_believed(tmp_path):
    """The archive's own list claims what the array's header does."""
    content = header("(4000000000,)")
    path = zipped(tmp_path, content, zipfile.ZIP_DEFLATED)
    whole = bytearray(path.read_bytes())
    listed = whole.index(b"PK\x01\x02")
    whole[listed + 24 : listed + 28] = struct.pack("<I", 4_000_000_000 + len(content))
    path.write_bytes(bytes(whole))
    with pytest.raises(
        BadInput, match=r"x says that it is uint8 \(4000000000,\), 4,000,000,000 bytes, but the file does not hold"
    ):
        arrays.load(path)


def test_a_bomb_is_measured_by_the_memory_that_is_free(tmp_path, monkeypatch):
    path = zipped(tmp_path, header("(1000, 100, 100)") + bytes(10**7), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(npz, "free_memory", lambda: 10**7)
    with pytest.raises(
        BadInput, match=r"x is uint8 \(1000, 100, 100\), 10,000,000 bytes, of which 3 times are in use; 10,000,"
    ):
        arrays.load(path)
    monkeypatch.undo()
    assert 10**7 < npz.free_memory() < 2**50


def test_damaged_arrays_are_named_whatever_breaks(tmp_path):
    path = saved(tmp_path, x=X, y=Y)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 4):
            content[place] = random.integers(256)
        path.write_bytes(bytes(content[: random.integers(1, len(content) + 1)]))
        try:
            arrays.load(path)
        except BadInput as error:
            assert str(path) in str(error)  # noqa: PT017 (damage may miss all that is read)


def test_an_array_file_without_a_test_part_ends_before_anything_is_measured(tmp_path):
    pytest.importorskip("timm")
    saved(tmp_path, x=np.zeros((8, 32, 32, 3), np.uint8), y=np.arange(8) % 2)
    (tmp_path / "mine.pt").write_bytes(b"")
    done = command("oracle", "timm:test_resnet", "--weights", "mine.pt", "--data", "npz:a.npz", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no example to test on" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("b.jpg", "a.jpg"),
        lambda text: "{}",
        lambda text: "[]",
        lambda text: text[: len(text) // 2],
        lambda text: json.dumps({"bad": {}, "checksum": json.loads(text)["checksum"]}),
        lambda text: json.dumps({"a.jpg": "bad"}),
        lambda text: "[" * 10_000,
        lambda text: "\udcff",
    ],
)
def test_what_was_remembered_of_files_is_believed_only_as_it_was_written(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(unreadable, "LONG", -1)
    seen = []

    def check(name):
        seen.append(name)
        if name == "b.jpg":
            raise BadInput("bad")

    stamps = {"a.jpg": "1", "b.jpg": "1"}
    assert unreadable.find_unreadable("set", stamps, check) == {"b.jpg": "bad"}
    (memory,) = unreadable.MEMORY.iterdir()
    memory.write_bytes(damage(memory.read_text()).encode(errors="surrogateescape"))
    foreign = bool(memory.read_bytes()) and b"{" not in memory.read_bytes()  # as far as can be seen: it is not written over
    assert unreadable.find_unreadable("set", stamps, check) == {"b.jpg": "bad"}
    assert seen == ["a.jpg", "b.jpg"] * 2
    assert unreadable.find_unreadable("set", stamps, check) == {"b.jpg": "bad"}
    assert len(seen) == (6 if foreign else 4)


def test_where_nothing_can_be_remembered_files_are_read_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(unreadable, "LONG", -1)
    monkeypatch.setattr(unreadable, "MEMORY", tmp_path / "file" / "below")
    assert unreadable.find_unreadable("set", {"a.jpg": "1"}, lambda name: None) == {}


def test_lists_that_are_no_text_are_named(tmp_path):
    (small_sets.birds(tmp_path) / "classes.txt").write_bytes(b"1 \xff\xfe\n")
    with pytest.raises(BadInput, match=r"classes\.txt cannot be read as text \(UnicodeDecodeError\)"):
        birds200.load(VIEW)
    (small_sets.gestures(tmp_path) / "nvgesture_train_correct_cvpr2016_v2.lst").unlink()
    os.mkfifo(tmp_path / "nvgesture" / "nvgesture_train_correct_cvpr2016_v2.lst")
    with pytest.raises(BadInput, match=r"v2\.lst is no regular file"):
        nvgesture.load("depth", SCREEN)
    folder = small_sets.flowers(tmp_path)
    small_sets.savemat(folder / "imagelabels.mat", {"labels": np.full((1, 204), np.nan)})
    with pytest.raises(BadInput, match=r"imagelabels\.mat is missing, truncated or holds no 'labels'"):
        flowers102.load(VIEW)


def test_decoders_warnings_show_nowhere_whatever_thread_decodes(photos, capfd):
    """A large image and one with broken EXIF data, which PIL warns of from the line that called it."""
    broken = Image.new("RGB", (40, 30))
    exif = broken.getexif()
    exif[274] = 1
    broken.save(photos / "a" / "7.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x05\0\0\0\xff\xff\xff\x7f")
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loaded(photos)
    assert not said
    assert warnings.filters == before
    assert "Warning" not in capfd.readouterr().err
    assert threading.active_count() < 20


def test_the_first_picture_of_an_animation_is_the_image():
    content = io.BytesIO()
    first, second = (Image.new("L", (8, 8), grey) for grey in (200, 10))
    first.save(content, "GIF", save_all=True, append_images=[second])
    assert decode_image(content.getvalue()).getpixel((3, 3)) == (200,) * 3


def test_a_folder_deeper_than_a_stack_is_walked(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert files(tmp_path, SUFFIXES).places == {}
