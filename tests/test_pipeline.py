"""The pipeline: what each target asks of the stages, and the whole of it on a user's own case."""

import argparse

import pytest
from commands import CASE, command, own_process

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.load import find
from pruning_oracle.bench.pruning_settings import PruningSettings, Target, default_settings
from pruning_oracle.pipeline import __main__ as pipeline
from pruning_oracle.pipeline.__main__ import EMBEDDED, OPTIONS, usual_jobs
from pruning_oracle.pipeline.processes import run_all
from pruning_oracle.pipeline.requests import measuring, pruning, request
from pruning_oracle.pruning.studies import HOW_FAR, SURVIVAL, studies


def asked(**given):
    """A request as the Makefile makes it."""
    usual = dict.fromkeys([*OPTIONS, "small", "strict"], "") | {"cases": "vgg-digits", "seeds": "0", "device": "cpu"}
    return request(argparse.Namespace(**usual | given))


def test_the_runs_of_a_report_begin_with_the_most_expensive():
    asked_for = asked(cases="vgg-digits r3dcnn-gestures", seeds="0 1", criteria="all taylor", budget="0.05", strict="1")
    chains = list(measuring(asked_for))
    assert [chain[2] for chain in chains] == [
        ("reports", "grade", case, "--seeds", seed) for case in ("r3dcnn-gestures", "vgg-digits") for seed in ("1", "0")
    ]
    how = ("r3dcnn-gestures", "--seed", "1", "--device", "cpu", "--strict")
    assert chains[0][:2] == [
        ("oracle", *how, "--budget", "0.05"),
        ("criteria", *how, "--criteria", "all", "taylor"),
    ]


def test_criteria_that_are_asked_for_are_added_to_the_quick_ones():
    def criteria(words, least="quick"):
        return next(measuring(asked(criteria=words), least))[1][7:]

    assert criteria("") == ("quick",)
    assert criteria("taylor") == ("quick", "taylor")
    assert criteria("taylor all") == ("all", "taylor")
    assert criteria("taylor", "all") == ("all", "taylor")
    with pytest.raises(BadInput, match="unknown criterion 'tailor'"):
        criteria("tailor")


def test_a_network_without_a_file_is_one_line_with_its_name(tmp_path):
    photos = tmp_path / "my photos"
    photos.mkdir()
    asked_for = asked(network="torchvision:resnet18", dataset=f"imagefolder:{photos}", weights="mine.pt", size="64")
    line = f"torchvision:resnet18 --data 'imagefolder:{photos}' --weights mine.pt --size 64"
    assert asked_for.cases == {"resnet18-my-photos": line}
    with pytest.raises(BadInput, match="NETWORK needs examples: DATASET=imagefolder:PATH"):
        asked(network="torchvision:resnet18")


def test_seeds_are_whole_numbers_each_once():
    assert asked(seeds="2 1 2").seeds == [2, 1]
    for wrong in ("'one'", "-1", "'1.5'", "4294967296"):
        with pytest.raises(BadInput, match=f"SEEDS is {wrong}; allowed are whole numbers from 0 to 4294967295"):
            asked(seeds=wrong.strip("'"))


def test_how_a_case_is_pruned_is_its_own_or_follows_from_its_maps():
    assert find("vgg-digits").pruning.remove == 24
    usual = default_settings(528)
    assert (usual.remove, usual.target, usual.final_updates) == (24, Target("maps", 0.3), 200)
    assert default_settings(3).remove == 1
    assert PruningSettings().remove == 1, "the paper's"
    changes = PruningSettings(remove=2, rate=0.5)
    assert changes.name(PruningSettings()) == "taylor,remove=2,rate=0.5"


def test_the_studies_are_runs_of_cases_that_exist():
    assert set(HOW_FAR) | set(SURVIVAL) <= set(EMBEDDED.split())
    small, whole, more = (studies("vgg-digits", *how) for how in ((True, True), (False, False), (False, True)))
    assert list(small["pruning"]) == ["taylor-flops", "random"]
    assert len(whole["pruning"]) == 6
    assert {place: len(runs) for place, runs in more.items()} == {
        "pruning": 6,
        "pruning-far": 1,
        "pruning-still": 4,
        "pruning-updates": 3,
    }
    assert studies("mine", more=True)["pruning-far"] == {}
    for chain in pruning(asked(), more=True):
        for module, *words in chain:
            if module == "pruning":
                from pruning_oracle.pruning.__main__ import changes_of, pruning_options  # noqa: PLC0415

                changes_of(pruning_options().parse_args(words), None)


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
        (["oracle", "--jobs", "two"], "JOBS is 'two'; allowed are whole numbers from 1 to 1024"),
        (["oracle", "--jobs", "0"], "JOBS is 0; allowed are whole numbers from 1 to 1024"),
        (["compare", "--criteria", "quick tailor"], "unknown criterion 'tailor'"),
        (["oracle", "--seeds", "9" * 23], "allowed are whole numbers from 0 to 4294967295"),
        (["regress-accept", "--cases", "vgg-digits"], 'a new baseline needs a reason: make regress-accept REASON="why"'),
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


@pytest.mark.parametrize("target", ["prune-timings", "train"])
def test_timings_and_training_get_all_cores_whatever_is_asked(monkeypatch, target):
    seen = []
    monkeypatch.setattr(pipeline, "run_target", lambda target, asked: seen.append(asked.given.jobs))
    monkeypatch.setattr(pipeline, "_share_cores", lambda jobs: seen.append("shared"))
    pipeline.main([target, "--device", "cpu", "--jobs", "2"])
    assert seen == [1]
    pipeline.main(["oracle", "--device", "cpu"])
    assert seen[1:] == ["shared", 2]


@pytest.mark.parametrize("target", ["compare", "prune-more", "train"])
def test_small_is_for_pruning_alone(target):
    with pytest.raises(BadInput, match=f"SMALL is for make prune alone, not for make {target}"):
        pipeline.main([target, "--small", "1"])


def test_an_interruption_is_not_a_mistake(monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pruning_oracle.oracle.__main__.main", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all([[("oracle", "vgg-digits")]], 1, "oracles")
