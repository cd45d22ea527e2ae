"""The pipeline: what each target asks of the stages, and the whole of it on a user's own case."""

import pytest
import typer
from commands import CASE, command, own_process

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import find, registered
from pruning_oracle.bench.pruning_settings import PruningSettings, Target, default_settings
from pruning_oracle.command_line.app import application
from pruning_oracle.pipeline.__main__ import VARIABLES, command_lines
from pruning_oracle.pipeline.processes import run_all
from pruning_oracle.pipeline.requests import Request, measuring, named_cases, pruning, studying_sets, words_of
from pruning_oracle.pipeline.run import EMBEDDED, usual_jobs
from pruning_oracle.pruning.studies import HOW_FAR, SURVIVAL, studies


def asked(**given):
    """A request as the commands make it."""
    return Request(**{"cases": {"vgg-digits": "vgg-digits"}, "seeds": [0], "jobs": 1, "device": "cpu"} | given)


def lines(target, **given):
    """The command lines that make a target, of values as the Makefile gives them."""
    usual = dict.fromkeys([*VARIABLES, "small", "strict"], "") | {"cases": "vgg-digits", "seeds": "0", "device": "cpu"}
    return command_lines(target, usual | given)


def test_the_runs_of_a_report_begin_with_the_most_expensive():
    cases = {"vgg-digits": "vgg-digits", "r3dcnn-gestures": "r3dcnn-gestures"}
    how = {"criteria": ("all", "taylor"), "oracle": {"budget": "0.05"}, "both": {"examples": "9"}, "strict": True}
    chains = list(measuring(asked(cases=cases, seeds=[0, 1], **how)))
    assert [chain[2] for chain in chains] == [
        ("grade", case, "--seeds", seed) for case in ("r3dcnn-gestures", "vgg-digits") for seed in ("1", "0")
    ]
    how = ("r3dcnn-gestures", "--seed", "1", "--device", "cpu", "--strict")
    assert chains[0][:2] == [
        ("oracle", *how, "--budget", "0.05", "--examples", "9"),
        ("criteria", *how, "--examples", "9", "--criteria", "all", "taylor"),
    ]


def test_the_studies_of_sets_come_in_the_order_in_which_they_need_each_other():
    cases = {"resnet-digits": "resnet-digits", "vgg-digits": "vgg-digits"}
    vgg, resnet = studying_sets(asked(cases=cases, seeds=[0]))
    studies = ["chosen-sets", "reference-sets", "interactions", "layer-sensitivity", "better-sets"]
    assert [words[0] for words in resnet] == ["oracle", "criteria", "grade", "quick-sets", *studies]
    assert [words[0] for words in vgg] == [words[0] for words in resnet]
    how = ("--seed", "0", "--device", "cpu", "--examples", "128")
    assert resnet[4] == ("chosen-sets", "resnet-digits", *how, "--repair", "batchnorm")
    assert vgg[4] == ("chosen-sets", "vgg-digits", *how), "it has no batch norm to repair"
    assert lines("sets")[0][:2] == ["sets-study", "vgg-digits"]


def test_a_target_is_a_command_line():
    assert lines("compare", criteria="all mine.py", jobs="2", strict="1", budget="0.05") == [
        [
            *[
                "compare",
                "vgg-digits",
                "--seeds",
                "0",
                "--criteria",
                "all",
                "mine.py",
                "--budget",
                "0.05",
                "--device",
                "cpu",
                "--jobs",
                "2",
                "--strict",
            ]
        ]
    ]
    assert lines("regress-accept", reason="it is right") == [
        ["accept", "vgg-digits", "--seeds", "0", "--reason", "it is right", "--device", "cpu"]
    ]
    assert lines("train", cases="a b", seeds="1") == [["train", name, "--seed", "1", "--device", "cpu"] for name in ("a", "b")]
    assert lines("prune", seeds="2 1", small="1") == [
        ["pruning-study", "--small", "vgg-digits", "--seeds", "2", "--device", "cpu"]
    ]
    assert lines("oracle", cases="", seeds="") == [["oracles", *EMBEDDED, "--seeds", "0", "1", "2", "--device", "cpu"]]


def test_criteria_that_are_asked_for_are_added_to_the_quick_ones():
    def criteria(words, least="quick"):
        return next(measuring(asked(criteria=tuple(words.split())), least))[1][7:]

    assert criteria("") == ("quick",)
    assert criteria("taylor") == ("quick", "taylor")
    assert criteria("taylor all") == ("all", "taylor")
    assert criteria("taylor", "all") == ("all", "taylor")


def test_a_network_without_a_file_is_one_line_with_its_name(tmp_path):
    photos = tmp_path / "my photos"
    photos.mkdir()
    given = {"network": "torchvision:resnet18", "dataset": f"imagefolder:{photos}", "weights": "mine.pt", "size": "64"}
    assert lines("compare", **given)[0] == [
        *("compare", "torchvision:resnet18", "--data", f"imagefolder:{photos}", "--weights", "mine.pt", "--size", "64"),
        *("--seeds", "0", "--device", "cpu"),
    ]
    line = f"torchvision:resnet18 --data 'imagefolder:{photos}' --weights mine.pt --size 64"
    assert named_cases([line]) == {"resnet18-my-photos": line}
    with pytest.raises(BadInput, match="NETWORK needs examples: DATASET=imagefolder:PATH"):
        lines("compare", network="torchvision:resnet18")
    with pytest.raises(BadInput, match="the command names vgg-digits twice"):
        named_cases(["vgg-digits", "vgg-digits"])


def test_how_a_case_is_pruned_is_its_own_or_follows_from_its_maps():
    assert find("vgg-digits").pruning.remove == 24
    usual = default_settings(528)
    assert (usual.remove, usual.target, usual.final_updates) == (24, Target("maps", 0.3), 200)
    assert default_settings(3).remove == 1
    assert PruningSettings().remove == 1, "the paper's"
    changes = PruningSettings(remove=2, rate=0.5)
    assert changes.name(PruningSettings()) == "taylor,remove=2,rate=0.5"


def test_the_studies_are_runs_of_cases_that_exist():
    assert set(HOW_FAR) <= set(EMBEDDED)
    assert set(HOW_FAR) | set(SURVIVAL) <= set(registered())
    small, whole, more = (studies("vgg-digits", *how) for how in ((True, True), (False, False), (False, True)))
    assert list(small["pruning"]) == ["taylor-flops", "random"]
    assert len(whole["pruning"]) == 6
    assert {place: len(runs) for place, runs in more.items()} == {
        "pruning": 6,
        "pruning-far": 1,
        "pruning-still": 4,
        "pruning-still-bias": 4,
        "pruning-updates": 3,
    }
    assert studies("mine", more=True)["pruning-far"] == {}
    commands = typer.main.get_command(application()).commands
    prune, survival = commands["prune"], commands["survival"]
    for case, changes in SURVIVAL.items():
        survival.make_context("survival", [case, *words_of(changes)])
    chains = list(pruning(asked(), small=False, more=True))
    retrained = [
        chain[0][chain[0].index("--out") + 1] for chain in chains if [words[0] for words in chain] == ["prune", "scratch"]
    ]
    assert retrained == ["runs/vgg-digits/0/pruning-far"]
    for chain in chains:
        for name, *words in chain:
            if name == "prune":
                prune.make_context("prune", words)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    return tmp_path


WORDS = ["--cases", "mine.py", "--seeds", "0", "--device", "cpu", "--criteria", "taylor random"]


def made(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_whole_of_it_twice_in_processes_and_in_this_one(mine):
    done = own_process("pipeline", "compare", *WORDS, "--jobs", "2", folder=mine, TQDM_DISABLE="1")
    assert done.returncode == 0, done.stderr
    assert "runs: 1 of 1 done" in done.stdout
    assert "noise ceiling" in done.stdout
    assert done.stdout.endswith("report: report/index.html\n")
    first = made(mine)
    again = command("pipeline", "compare", *WORDS, "--jobs", "1", folder=mine, OMP_NUM_THREADS="1")
    assert again.returncode == 0, again.stderr
    assert "up to date" in again.stdout
    changed = {path for path, when in made(mine).items() if first.get(path) != when and "__pycache__" not in path.parts}
    assert changed == set()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["oracle", "--cases", "nope"], "unknown case 'nope': choose from "),
        (["oracle", "--cases", "nope", "--jobs", "2"], "unknown case 'nope': choose from "),
        (["oracle", "--jobs", "two"], "--jobs is 'two'; allowed are whole numbers from 1 to 1024"),
        (["oracle", "--jobs", "0"], "--jobs is 0; allowed are whole numbers from 1 to 1024"),
        (["compare", "--criteria", "quick tailor"], "unknown criterion 'tailor'"),
        (["oracle", "--seeds", "9" * 23], "allowed are whole numbers from 0 to 4294967295"),
        (["regress-accept", "--cases", "vgg-digits"], "a new baseline needs a reason: --reason"),
        (["regress-accept", "--cases", "mine.py", "--reason", "why"], "--baselines FOLDER (mine: no case of the suite's)"),
        (["prune-timings"], "no networks to time under runs: `make prune-more` makes them"),
        (["train", "--cases", "resnet20-cifar10"], "resnet20-cifar10 has no training recipe"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, words, message):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    done = command("pipeline", "--jobs", "1", *words, folder=tmp_path, DATA="empty")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_gpu_gets_one_run_at_a_time(tmp_path):
    assert [usual_jobs(device, tmp_path) for device in ("auto", "cpu", "cuda", "mps")] == [2, 2, 1, 1]
    (tmp_path / "nvidia0").touch()
    assert [usual_jobs(device, tmp_path) for device in ("auto", "cpu", "cuda")] == [1, 2, 1]


@pytest.mark.parametrize("target", ["compare", "prune-more", "train"])
def test_small_is_for_pruning_alone(target):
    with pytest.raises(BadInput, match=f"SMALL is for make prune alone, not for make {target}"):
        lines(target, small="1")


def test_an_interruption_is_not_a_mistake(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pruning_oracle.command_line.app.main", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all([[("oracle", "vgg-digits")]], 1, "oracles")
