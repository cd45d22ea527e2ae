"""Settings that make no sense are refused in one sentence, before any work, by every command and by the classes behind them."""

import re
import typing

import pytest
import torch
from commands import CASE, command
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.network import memory
from pruning_oracle.bench.pruning_settings import PruningSettings, Target
from pruning_oracle.bench.runs.bounds import BATCH, COUNT, RATE, SEED
from pruning_oracle.bench.runs.options import each_once
from pruning_oracle.bench.training.fine_tune import FineTuneRecipe
from pruning_oracle.bench.training.from_scratch import ScratchRecipe, train_from_scratch
from pruning_oracle.command_line.app import application
from pruning_oracle.oracle.estimated.goal import Goal

NONSENSE = (
    "nan",
    "inf",
    "-inf",
    "-1e30",
    "1e30",
    "1e999",
    "9" * 23,
    "9" * 5000,
    "",
    " ",
    "x",
    "1_0",
    "0x10",
    "٣",
    "1,5",
    "--1",
)


def options():
    """Every option of every command: its name, the type that its function is given, and what reads it."""
    for one in application().registered_commands:
        for name, hint in one.callback.__annotations__.items():
            kind, option = typing.get_args(hint)
            yield f"{one.callback.__name__} {name}", str(kind), option


def test_every_number_of_every_command_is_bounded():
    numbers = 0
    for name, kind, option in options():
        if not re.search(r"\b(int|float)\b", kind):
            continue
        numbers += 1
        option_name = str((option.param_decls or (option.default,))[0])  # typer tells them apart when it runs
        assert name.endswith(option_name.strip("-").replace("-", "_"))
        for text in NONSENSE:
            with pytest.raises(BadInput) as error:
                option.parser(text)
            said = str(error.value)
            assert re.fullmatch(rf"{option_name} is .*; allowed are (whole )?numbers (from|above) .*", said, re.DOTALL), said
            assert len(said) < 160
        most = str(error.value).split(" to ")[-1]
        assert option.parser(str(int(float(most)))) == int(float(most))
    assert numbers > 40


def test_bounds_are_the_numbers_that_they_say():
    assert (str(SEED), str(RATE)) == ("whole numbers from 0 to 4294967295", "numbers above 0 up to 10")
    assert [RATE.read("--rate", text) for text in ("1e-3", "10", ".5", "+2.")] == [0.001, 10, 0.5, 2]
    assert SEED.read("--seed", "0") == 0
    for wrong in (0.0, 10.1, float("nan"), float("inf"), "1", None, True, 10**400):
        with pytest.raises(BadInput, match=r"--rate is .*; allowed are numbers above 0 up to 10"):
            RATE.check("--rate", wrong)
    for wrong in (0, 2**20 + 1, 1.5, 2.0, True, "3"):
        with pytest.raises(BadInput, match=r"--batch is .*; allowed are whole numbers from 1 to 1048576"):
            BATCH.check("--batch", wrong)
    with pytest.raises(BadInput, match="--seeds names 1 twice; allowed is each once"):
        each_once("--seeds", [0, 1, 1])


REFUSED = {
    "rate nan": (["bench", "train", "vgg-digits", "--rate", "nan"], "--rate is nan; allowed are numbers above 0 up to 10"),
    "rate inf": (["bench", "train", "vgg-digits", "--rate", "inf"], "--rate is inf; allowed are numbers above 0 up to 10"),
    "rate -1": (["bench", "train", "vgg-digits", "--rate", "-1"], "--rate is -1.0; allowed are numbers above 0 up to 10"),
    "rate 1e30": (["bench", "train", "vgg-digits", "--rate", "1e30"], "--rate is 1e+30; allowed are"),
    "epochs": (["bench", "train", "vgg-digits", "--epochs", "0"], "--epochs is 0; allowed are whole numbers from 1 to 100000"),
    "seed of show": (
        ["bench", "show", "vgg-digits", "--seed", "-1"],
        "--seed is -1; allowed are whole numbers from 0 to 42949",
    ),
    "seed of 23 digits": (
        ["bench", "show", "vgg-digits", "--seed", "9" * 23],
        "--seed is 99999999999999999999999; allowed are",
    ),
    "batch": (["bench", "train", "vgg-digits", "--batch", "0"], "--batch is 0; allowed are whole numbers from 1 to 1048576"),
    "size": (["oracle", "timm:test_resnet", "--size", "0"], "--size is 0; allowed are whole numbers from 1 to 4096"),
    "size in the name": (["oracle", "timm:test_resnet --data imagefolder:a --size -5"], "--size is -5; allowed are whole num"),
    "size of arrays": (["oracle", "timm:test_resnet", "--data", "npz:a.npz", "--size", "32"], "have a size of their own"),
    "no memory": (["criteria", "vgg-digits", "--memory", "0GiB"], "--memory is '0GiB'; allowed is a number with KiB, MiB or"),
    "less than a byte": (["criteria", "vgg-digits", "--memory", "0.00001KiB"], "--memory is '0.00001KiB'; allowed is"),
    "memory without a unit": (
        ["criteria", "vgg-digits", "--memory", "1e99"],
        "--memory is '1e99'; allowed is a number with KiB",
    ),
    "all memory": (["oracle", "vgg-digits", "--memory", "9" * 400 + "GiB"], "allowed is a number with KiB, MiB or GiB"),
    "budget": (["oracle", "vgg-digits", "--budget", "nan"], "--budget is 'nan'; allowed is a share of the pairs above 0"),
    "endless budget": (["oracle", "vgg-digits", "--budget", "1e999s"], "--budget is '1e999s'; allowed is a share"),
    "no budget": (["oracle", "vgg-digits", "--budget", ""], "--budget is ''; allowed is a share"),
    "quality": (
        ["oracle", "vgg-digits", "--until", "spearman=2"],
        "--until spearman=2: allowed is a correlation between 0 and 1",
    ),
    "no quality": (["oracle", "vgg-digits", "--until", ""], "unknown --until ''"),
    "endless width": (["oracle", "vgg-digits", "--until", "width=1e999"], "--until width=1e999: allowed is a positive number"),
    "trial": (
        ["trial", "vgg-digits", "--repeats", "0"],
        "--repeats is 0; allowed are whole numbers from 1 to 1000000",
    ),
    "remove": (["pruning", "vgg-digits", "--remove", "0"], "--remove is 0; allowed are whole numbers from 1 to 1000000"),
    "updates": (
        ["pruning", "vgg-digits", "--updates", "-1"],
        "--updates is -1; allowed are whole numbers from 0 to 1000000000",
    ),
    "lambda": (
        ["pruning", "vgg-digits", "--flops-lambda", "nan"],
        "--flops-lambda is nan; allowed are numbers from 0 to 1000000",
    ),
    "keep": (["pruning", "vgg-digits", "--keep", "nan"], "--keep is nan; allowed are numbers from 0 to 1000000000"),
    "target nan": (["pruning", "vgg-digits", "--target", "maps=nan"], "--target maps=nan: allowed is a share between 0 and 1"),
    "target inf": (
        ["pruning", "vgg-digits", "--target", "accuracy=-inf"],
        "--target accuracy=-inf: allowed is a number between",
    ),
    "more to score by than there is": (
        ["pruning", "vgg-digits", "--examples", "1435"],
        "1435 examples asked for; allowed are 3",
    ),
    "a test of more than there is": (["pruning", "vgg-digits", "--tested", "361"], "--tested is 361; vgg-digits has 360 test"),
    "survival": (["survival", "vgg-digits", "--each", "0"], "--each is 0; allowed are whole numbers from 1 to 1000000"),
    "seeds twice": (
        ["reports", "grade", "vgg-digits", "--seeds", "0", "1", "0"],
        "--seeds names 0 twice; allowed is each once",
    ),
    "cases twice": (
        ["reports", "page", "vgg-digits", "vgg-digits"],
        "the command names vgg-digits twice; allowed is each once",
    ),
    "a seed below 0": (["reports", "grade", "vgg-digits", "--seeds", "-1"], "--seeds is -1; allowed are whole numbers from 0"),
    "splits": (
        ["reports", "false-alarms", "vgg-digits", "--splits", "0"],
        "--splits is 0; allowed are whole numbers from 1 to",
    ),
    "processes": (["reports", "page", "vgg-digits", "--jobs", "0"], "--jobs is 0; allowed are whole numbers from 1 to 1024"),
    "no baselines": (
        ["reports", "regress", "vgg-digits", "--baselines", "."],
        "holds no baseline of vgg-digits: accept one with",
    ),
    "rows that are none": (
        ["oracle", "vgg-digits", "--rows", "1:a"],
        "--rows '1:a': there is no such file; allowed is a file of",
    ),
    "a row twice": (["criteria", "vgg-digits", "--rows", "0:5,3"], "--rows '0:5,3' names row 3 twice; allowed is each once"),
    "no rows": (["criteria", "vgg-digits", "--rows", "5:5"], "--rows '5:5' holds '5:5'; allowed is a file of row numbers"),
    "a row too many": (
        ["oracle", "vgg-digits", "--rows", "0:5,1437"],
        "row 1437 is none of them; the training set has rows 0 to 1436",
    ),
    "two fresh ones": (["criteria", "vgg-digits", "--fresh", "2"], "--fresh is 2; allowed are whole numbers from 3"),
    "no value": (
        ["oracle", "vgg-digits", "--seed"],
        "Option '--seed' requires an argument; pruning-oracle oracle --help lists",
    ),
    "dashes for a value": (["oracle", "vgg-digits", "--precision=--"], "unknown precision '--'"),
    "an option that is none": (["criteria", "vgg-digits", "--sed", "1"], "No such option: --sed"),
    "rows and how many": (["oracle", "vgg-digits", "--rows", "0:5", "--examples", "5"], "give either --examples or --rows"),
    "rows in a long name": (["oracle", "vgg-digits", "--rows", "a" * 300], "--rows 'aaaaaaaaaa"),
    "training by show": (["bench", "show", "vgg-digits", "--epochs", "5"], "No such option: --epochs"),
    "a file for show": (["bench", "show", "vgg-digits", "--out", "x"], "No such option: --out"),
    "baselines of a page": (
        ["reports", "page", "vgg-digits", "--baselines", "x"],
        "No such option: --baselines",
    ),
    "seeds of a record": (
        ["reports", "speed", "--seeds", "1"],
        "No such option: --seeds",
    ),
    "baselines among the suite's": (
        ["reports", "accept", "mine", "vgg-digits", "--reason", "why"],
        "give the folder to write baselines to: --baselines FOLDER (mine: no case of the suite's)",
    ),
    "no criterion": (["pruning", "vgg-digits", "--criterion", ""], "unknown criterion ''"),
    "no case": (["pipeline", "oracle", "--cases", " "], "CASES is ' ': name at least one case"),
    "weights without a network": (["pipeline", "oracle", "--weights", "a.pt"], "WEIGHTS is for NETWORK=torchvision:NAME or"),
    "a size that is none": (
        ["pipeline", "oracle", "--network", "timm:a", "--dataset", "npz:a", "--size", "-5"],
        "--size is -5",
    ),
    "a sample seed": (
        ["criteria", "vgg-digits", "--sample-seed", "-1"],
        "--sample-seed is -1; allowed are whole numbers from 0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nonsense_is_one_sentence_before_any_work(tmp_path, name):
    words, message = REFUSED[name]
    done = command(*words, folder=tmp_path)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        PruningSettings,
        lambda **wrong: ScratchRecipe(**{"build": None, "train": None, "test": None, "epochs": 1, "rate": 0.1} | wrong),
        lambda **wrong: FineTuneRecipe(**{"build": None, "start": None, "parts": None} | wrong),
    ],
    ids=["pruning", "from scratch", "fine-tuning"],
)
@pytest.mark.parametrize(
    "wrong", [{"rate": float("nan")}, {"rate": 1e30}, {"batch": 0}, {"weight_decay": -1.0}, {"batch": 2.5}]
)
def test_settings_made_in_python_obey_the_same_bounds(make, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(BadInput, match=rf"--{name.replace('_', '-')} is {value}; allowed are".replace("+", r"\+")):
        make(**wrong)


def test_targets_and_numbers_of_examples_made_in_python_are_checked_too():
    for quantity, value in (("maps", float("nan")), ("maps", 2.0), ("accuracy", 0.1), ("size", 0.5)):
        with pytest.raises(BadInput, match="--target"):
            Target(quantity, value)
    with pytest.raises(BadInput, match=r"--target is 'maps=0\.3'; allowed is a Target"):
        PruningSettings(target="maps=0.3")
    case = toy_case("plain", 12)
    case.model.eval()
    for wrong in (0, 2, -5, True, 10**10):
        with pytest.raises(BadInput, match=r"examples is .*; allowed are whole numbers from 3"):
            assemble(case.model, case.train, case.test, examples=wrong, carried=case.sites)
    with pytest.raises(BadInput, match="the test set holds no examples; at least 1 is needed"):
        assemble(case.model, case.train, [], examples=3, carried=case.sites)


def test_a_recipe_in_a_case_file_is_refused_with_its_line(tmp_path):
    text = CASE.format(label=1, mode=".eval()").replace("@case\n", "@case(pruning=PruningSettings(remove=0))\n")
    (tmp_path / "mine.py").write_text("from pruning_oracle.bench.pruning_settings import PruningSettings\n" + text)
    done = command("oracle", "mine.py", folder=tmp_path)
    assert done.returncode == 2
    assert "--remove is 0; allowed are whole numbers from 1 to 1000000" in done.stderr


def test_numbers_at_the_edge_are_allowed():
    assert COUNT.read("--remove", "1000000") == 10**6
    assert memory.parse("1KiB") == 1024
    assert Goal.parse("1", None).exact
    assert Goal.parse("60s", "width=0.01").seconds == 60


SLOPE = """
import torch
from pruning_oracle.bench.loading.assemble import assemble
from pruning_oracle.bench.registry import case
from pruning_oracle.bench.training.from_scratch import ScratchRecipe
from pruning_oracle.bench.weights import shipped
from torch.utils.data import TensorDataset

def network():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 2))

def data():
    return TensorDataset(torch.randn(40, 1, 2, 2) * {scale}, torch.arange(40) % 2)

@case(training=ScratchRecipe(network, data, data, epochs=2, rate=1e-3, batch=8))
def slope(seed):
    return assemble(shipped.restore(network(), "slope", seed), data(), data(), examples=5)
"""


def test_training_that_diverges_saves_nothing_over_good_weights(tmp_path):
    (tmp_path / "slope.py").write_text(SLOPE.format(scale=1))
    done = command("bench", "train", "slope.py", "--out", "good.safetensors", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / "slope.py").write_text(SLOPE.format(scale=3e38))
    done = command("bench", "train", "slope.py", "--out", "good.safetensors", folder=tmp_path)
    assert done.returncode == 2
    assert "the loss became nan in epoch 1: try a smaller --rate than 0.001; nothing was saved" in done.stderr
    assert (tmp_path / "good.safetensors").read_bytes() == before


def test_weights_that_became_infinite_in_the_last_update_are_not_saved():
    """Its loss was finite: of one update, whose step alone destroys the network."""

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return value.clone()

        @staticmethod
        def backward(context, grad):
            return torch.full_like(grad, torch.nan)

    class Destroyed(torch.nn.Linear):
        def forward(self, inputs):
            return Step.apply(super().forward(inputs))

    data = torch.utils.data.TensorDataset(torch.randn(4, 3), torch.arange(4) % 2)
    recipe = ScratchRecipe(lambda: Destroyed(3, 2), lambda: data, lambda: data, epochs=1, rate=0.1)
    with pytest.raises(BadInput, match=r"weight became infinite or NaN in training: try a smaller --rate than 0\.1"):
        train_from_scratch(recipe, 0, "test")


@pytest.mark.parametrize(("case", "seed"), [("slope", 0), ("other", 1)])
def test_weights_of_another_seed_or_case_under_this_name_are_refused(tmp_path, monkeypatch, case, seed):
    (tmp_path / "slope.py").write_text(
        SLOPE.format(scale=1).replace("def slope", "def other") if case == "other" else SLOPE.format(scale=1)
    )
    done = command("bench", "train", "slope.py", "--seed", str(seed), "--out", "trained/slope-1.safetensors", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "slope.py").write_text(SLOPE.format(scale=1))
    done = command("oracle", "slope.py", "--seed", "1", folder=tmp_path)
    assert done.returncode == 2
    held = f"trained/slope-1.safetensors holds the weights of {case} seed {seed}, not of slope seed 1: put its own there"
    assert held in done.stderr


def test_torch_agrees_that_these_seeds_are_seeds():
    for seed in (int(SEED.least), int(SEED.most)):
        torch.Generator().manual_seed(seed)
