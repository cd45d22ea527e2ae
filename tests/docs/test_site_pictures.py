"""The pictures of tutorials are kept until something changes, and the gallery shows a report that is there."""

import pytest

pytest.importorskip("sybil", reason="pip install 'pruning-oracle[dev]'")
pytest.importorskip("mkdocs", reason="pip install 'pruning-oracle[docs]'")
from pruning_oracle.docs.build import gallery, tutorials

PAGE = """# A page

```python
from pathlib import Path

with Path("runs.txt").open("a") as file:
    file.write("x")
Path("a.png").write_bytes(b"1")
```

![A picture.](a.png)
![Not this page's.](../figures/b.png)
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(tutorials, "KEPT", tmp_path / "kept")
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    return path


def test_a_page_is_run_once_for_its_pictures(page, monkeypatch):
    assert tutorials.shown_on(page) == ["a.png"]
    assert tutorials.pictures(page) == {"a.png": b"1"}
    with monkeypatch.context() as patch:
        patch.setattr(tutorials, "run_page", lambda *_: pytest.fail("it was run again"))
        assert tutorials.pictures(page) == {"a.png": b"1"}
    page.write_text(PAGE.replace('b"1"', 'b"2"'), "utf-8")
    assert tutorials.pictures(page) == {"a.png": b"2"}
    assert len(list((tutorials.KEPT / "page").iterdir())) == 1


def test_an_edit_of_the_suite_runs_pages_again(page, tmp_path, monkeypatch):
    code = tmp_path / "code.py"
    code.write_text("a = 1\n")
    monkeypatch.setattr(tutorials, "sources", lambda: [code])
    before = tutorials.digest(page)
    code.write_text("a = 2\n")
    assert tutorials.digest(page) != before


def test_the_suites_sources_are_its_modules():
    names = {path.relative_to(tutorials.ROOT).as_posix() for path in tutorials.sources()}
    assert {"__init__.py", "interface/truth.py", "oracle/exact/replay.py", "docs/build/run_page.py"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_a_page_that_fails_names_its_line(page):
    page.write_text(PAGE.replace("b.png", "c.png").replace('    file.write("x")', "    file.write(1)"), "utf-8")
    with pytest.raises(RuntimeError, match=r"page\.md:3: line 7: TypeError"):
        tutorials.pictures(page)


def test_the_gallery_says_how_a_report_is_made(tmp_path):
    assert "make compare" in gallery.gallery(tmp_path)
    assert gallery.files_of(tmp_path) == []


def test_the_gallery_shows_a_report(tmp_path):
    names = (
        "index.html",
        "all-overview.png",
        "pruning-vgg-digits-pruning-curves.png",
        "vgg-digits-heat-map.png",
        "r3dcnn-gestures-heat-map.png",
        "made-from.txt",
    )
    for name in names:
        (tmp_path / name).write_bytes(b"")
    text = gallery.gallery(tmp_path)
    assert "[The whole page](report/index.html)" in text
    assert "![vgg-digits, pruning-curves](report/pruning-vgg-digits-pruning-curves.png)" in text
    assert "![vgg-digits, heat-map](report/vgg-digits-heat-map.png)\n\n*vgg-digits. Where each criterion works" in text
    assert text.index("all-overview") < text.index("r3dcnn-gestures") < text.index("vgg-digits")
    assert len(gallery.files_of(tmp_path)) == 5


def test_the_gallery_has_a_place_for_it():
    assert gallery.HERE in (tutorials.ROOT / "docs/gallery.md").read_text("utf-8")
    assert gallery.on_page_markdown("nothing to fill in") == "nothing to fill in"
