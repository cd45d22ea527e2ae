"""One rule for the names of cases and runs, wherever they come from: nothing that is a path, a page's markup or an option."""

import pytest
from commands import CASE, command

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.registry import Definition
from pruning_oracle.bench.runs.names import checked_name
from pruning_oracle.reports.regression import baseline

BAD = [
    "../../x",
    "..",
    ".",
    "",
    "/etc/x",
    "a/b",
    "x" * 201,
    "é" * 101,
    "a b",
    "a'b",
    'a"b',
    "\\g<9>",
    '"><img src=x>',
]
BAD += ["a\nb", "a\x1b[31m", "a\0b", "-rf", "=1+1", "@x", "a$b$", "a:b", "a*", "\udc80", 3, None]
GOOD = ["vgg-digits", "taylor,remove=5,rate=1e-05", "x" * 200, "größe", "10", "mobilenet_v2.tv_in1k-photos", "a+b"]


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_refused(tmp_path, name):
    for use in (
        lambda: checked_name("a name", name),
        lambda: runs.folder(name, 0),
        lambda: baseline.path(name, tmp_path),
        lambda: Definition(name, lambda seed: None, "a.py"),
    ):
        with pytest.raises(BadInput, match="allowed are a letter or digit, then letters, digits and") as refused:
            use()
        assert len(str(refused.value)) < 250


@pytest.mark.parametrize("name", GOOD)
def test_names_that_are_allowed(name):
    assert runs.folder(name, 1).parts == ("runs", name, "1")


@pytest.mark.parametrize("name", ["../../x", "..", "/etc/x", "x" * 300, "\\g<9>", '"><img src=x>', "a\x1b[31mb"])
@pytest.mark.parametrize(
    "words",
    [
        ["oracle", "torchvision:resnet18", "--data", "npz:a.npz", "--name", "NAME"],
        ["bench", "show", "torchvision:resnet18", "--data", "npz:a.npz", "--name", "NAME"],
        ["pipeline", "oracle", "--network", "torchvision:resnet18", "--dataset", "npz:a.npz", "--name", "NAME"],
        ["pruning", "mine.py", "--run-name", "NAME"],
        ["reports", "grade", "NAME"],
        ["reports", "pruning", "NAME"],
        ["reports", "accept", "NAME", "--reason", "a test", "--baselines", "here"],
    ],
    ids=" ".join,
)
def test_every_command_refuses_them(tmp_path, words, name):
    (tmp_path / "mine.py").write_text(CASE.format(label="1", mode=".eval()"))
    done = command(*(name if word == "NAME" else word for word in words), folder=tmp_path)
    assert done.returncode == 2
    assert "allowed are a letter or digit, then letters, digits and" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
