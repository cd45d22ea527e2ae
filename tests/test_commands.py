"""The commands end to end on small inputs, and a user's mistake is one line, a non-zero exit and no traceback."""

import pandas as pd
import pytest
from commands import CASE, command, own_process

from pruning_oracle.bench import runs
from pruning_oracle.bench.loading.load import load
from pruning_oracle.criteria.evidence.collect import collect
from pruning_oracle.oracle.literal import literal

MISTAKES = {
    "a case that does not exist": (
        ["oracle", "nope"],
        "unknown case 'nope': choose from alexnet-birds200, alexnet-flowers102, ",
    ),
    "an engine that does not exist": (
        ["oracle", "vgg-digits", "--engine", "warp"],
        "unknown engine 'warp': choose from ",
    ),
    "a precision that does not exist": (
        ["oracle", "vgg-digits", "--precision", "fp8"],
        "unknown precision 'fp8': choose from bfloat16, float32, float64, tf32",
    ),
    "a device that does not exist": (["criteria", "vgg-digits", "--device", "tpu"], "unknown device 'tpu': choose from auto, "),
    "a criterion that does not exist": (
        ["criteria", "vgg-digits", "--criteria", "tailor"],
        "unknown criterion 'tailor'",
    ),
    "no batch": (["oracle", "vgg-digits", "--batch", "0"], "--batch is 0; allowed are whole numbers from 1 to 1048576"),
    "a negative seed": (
        ["oracle", "vgg-digits", "--seed", "-1"],
        "--seed is -1; allowed are whole numbers from 0 to 4294967295",
    ),
    "too few examples": (
        ["oracle", "vgg-digits", "--examples", "2"],
        "--examples is 2; allowed are whole numbers from 3 to 1000000000",
    ),
    "too many examples": (["oracle", "vgg-digits", "--examples", "1435"], "1435 examples asked for; allowed are 3 to 1434"),
    "no data": (["oracle", "resnet20-cifar10"], "no weights at empty/weights/resnet20_cifar10.th: set DATA to the folder"),
    "no training recipe": (["bench", "train", "resnet20-cifar10"], "resnet20-cifar10 has no training recipe"),
    "a seed too large": (["oracle", "vgg-digits", "--seed", "9" * 20], "allowed are whole numbers from 0 to 4294967295"),
    "no place to write": (["oracle", "vgg-digits", "--out", "/proc/x/y"], "cannot write /proc/x/"),
    "no run": (["reports", "grade", "vgg-digits"], "no oracle file at runs/vgg-digits/0/oracle.safetensors"),
    "no table": (["reports", "page", "vgg-digits"], "no oracle file at runs/vgg-digits/0/oracle.safetensors"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(tmp_path, mistake):
    words, message = MISTAKES[mistake]
    done = command(*words, folder=tmp_path, DATA="empty")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_cuda_without_a_gpu_is_a_mistake(tmp_path):
    done = command("oracle", "vgg-digits", "--device", "cuda", folder=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert done.stderr == "error: device 'cuda' asked for, but torch sees no such device here: choose auto or cpu\n"


@pytest.mark.parametrize(
    ("label", "mode", "message"),
    [(0, "", "the model is in train mode"), (7, ".eval()", "label 7 is out of range: the model has 2 classes")],
)
def test_a_mistake_in_a_users_case(tmp_path, label, mode, message):
    (tmp_path / "mine.py").write_text(CASE.format(label=label, mode=mode))
    done = command("oracle", "mine.py", folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_whole_pipeline_on_a_users_own_case(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    for words in (["oracle", "mine.py"], ["criteria", "mine.py"], ["reports", "grade", "mine"]):
        done = command(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    out = str(tmp_path / "out")
    for what in ("page", "show"):
        done = command("reports", what, "mine", *(["--out", out] if what == "page" else []), folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "noise ceiling" in done.stdout
    assert (tmp_path / "out" / "index.html").is_file()
    maps = pd.read_csv(tmp_path / "runs" / "mine" / "0" / "maps.csv")
    assert len(maps) == 3
    facts = runs.load(tmp_path / "runs" / "mine" / "0" / "oracle.safetensors", "oracle").facts
    assert facts["examples"] == 5
    assert facts["seconds"] >= 0
    assert len(facts["weights"]) == len(facts["data"]) == 64


def test_out_options_and_chosen_criteria(tmp_path):
    place = tmp_path / "elsewhere" / "file"
    done = command("criteria", "resnet-digits", "--examples", "4", "--criteria", "taylor", "--out", str(place), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = runs.load(place, "criteria")
    assert set(found.facts["criteria"]) == {"taylor"}
    assert found.arrays["shared/taylor/stem.0"].shape == (4, 16)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_an_estimated_oracle_and_a_goal_out_of_its_reach(tmp_path):
    words = ["vgg-digits", "--seed", "0", "--examples", "40", "--budget", "0.1", "--until", "spearman=0.9999"]
    run = command("oracle", *words, "--out", "oracle.safetensors", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "% of the pairs measured in 3 rounds; a Spearman of at least 0." in run.stdout
    assert "budget 0.1, spearman=0.9999 is not likely within the budget" in run.stdout
    file = runs.load(tmp_path / "oracle.safetensors", "oracle")
    found = file.facts["estimated"]
    assert 0.05 < found["share"] <= 0.1
    assert 0 < found["reached"] < 0.9999
    sites = {name.partition("/")[2] for name in file.arrays if name.startswith("change/")}
    for part in ("measured", "unbiased", "error", "low", "high", "shrunk"):
        assert {f"{part}/{site}" for site in sites} <= set(file.arrays)


def test_fresh_scores_come_from_examples_that_the_oracle_never_saw(tmp_path):
    words = ["resnet-digits", "--examples", "6", "--batch", "4"]
    for stage, more in (("oracle", ["--engine", "literal"]), ("criteria", ["--criteria", "taylor", "activation_mean"])):
        done = command(stage, *words, *more, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "resnet-digits" / "0"
    oracle, guesses = (runs.load(folder / f"{stage}.safetensors", stage) for stage in ("oracle", "criteria"))
    case = load("resnet-digits", 0)
    for name, rows in zip(("shared", "fresh"), case.split(6), strict=True):
        assert guesses.arrays[f"{name}/rows"].tolist() == rows == sorted(rows)
        seen = collect(case, rows, 6, frozenset({"mean"}), "test")
        assert guesses.arrays[f"{name}/activation_mean/stem.0"] == pytest.approx(seen["stem.0"].mean.numpy(), rel=1e-5)
    assert oracle.arrays["rows"].tolist() == case.split(6)[0]
    assert oracle.arrays["labels"].tolist() == [int(case.train[row][1]) for row in case.split(6)[0]]
    assert oracle.facts["data"] == guesses.facts["shared"]["data"] != guesses.facts["fresh"]["data"]
    again = command("oracle", "resnet-digits", "--examples", "6", "--precision", "float64", "--out", "x", folder=tmp_path)
    assert again.returncode == 0
    assert runs.load(tmp_path / "x", "oracle").facts["data"] == oracle.facts["data"], "batch and precision are not the data"


RIGHT = CASE.format(label=0, mode=".eval()")
TYPED = ("label", "loss")  # what tests of types would see before the suite does
BAD_CASES = {
    "syntax": ("def broken(:", "bad.py: SyntaxError"),
    "import": ("import nowhere", "bad.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
    "attribute": (RIGHT.replace(".eval()", ".eval().nothing"), "AttributeError"),
    "shape": (RIGHT.replace("(20, 1, 2, 2)", "(20, 2, 2, 2)"), "fails on its own data"),
    "label": (
        CASE.format(label=0.5, mode=".eval()"),
        "takes one whole number per example as its label, but gets torch.float32",
    ),
    "loss": (RIGHT.replace("examples=5", "examples=5, loss=lambda o, y: 0.5"), "the loss is float; it must give one number"),
    "inner": (RIGHT.replace("model.eval()", "model.eval() and model[1].train() and model"), "in train mode (1)"),
    "weights": (
        RIGHT.replace("    data", "    model[0].weight.data[0] = torch.nan\n    data"),
        "0.weight holds numbers that are not",
    ),
    "nothing": (RIGHT.replace("torch.randn(20, 1, 2, 2), torch.full((20,), 0)", "torch.randn(5, 1, 2, 2)"), "holds 5 examples"),
}


@pytest.mark.parametrize("name", BAD_CASES)
def test_mistakes_in_a_case_file_are_one_line(tmp_path, name):
    text, message = BAD_CASES[name]
    (tmp_path / "bad.py").write_text(text)
    run = own_process if name in TYPED else command
    done = run("oracle", "bad.py", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_criteria_that_need_a_gradient_say_so(tmp_path):
    loss = "examples=5, loss=lambda o, y: (o.argmax(1) != y).float()"
    (tmp_path / "bad.py").write_text(RIGHT.replace("examples=5", loss))
    done = command("criteria", "bad.py", "--criteria", "taylor", folder=tmp_path)
    assert done.returncode == 2
    assert "criterion 'taylor' is unavailable here, since it needs gate_grad: the loss has no gradient" in done.stderr
    done = command("criteria", "bad.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out: taylor, which needs gate_grad: the loss has no gradient" in done.stdout


def test_double_precision_is_the_same_oracle_more_exactly(tmp_path):
    changes = []
    for precision in ("float32", "float64"):
        place = tmp_path / precision
        words = ["oracle", "resnet-digits", "--examples", "3", "--precision", precision, "--out", str(place)]
        assert command(*words, folder=tmp_path).returncode == 0
        changes.append(runs.load(place, "oracle").arrays["change/stem.0"])
    assert changes[1].dtype == "float64"
    assert changes[0] == pytest.approx(changes[1], abs=1e-5)
    assert (changes[0] != changes[1]).any()


def test_the_example_of_the_readme_is_a_case():
    """Its whole oracle takes a minute; one map of it takes a moment."""
    example = load("examples/my_case.py", 0)
    assert (example.name, len(example.sites)) == ("my-resnet18", 12)
    batch = next(example.batches(example.train, range(2), 2))
    changes = literal(example, example.site("layer1.0.conv1"), batch)
    assert changes.shape == (2, 64)
    assert changes.abs().max() > 0
