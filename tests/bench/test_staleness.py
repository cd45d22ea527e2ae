"""What is measured again and what is not: an edit of what computes a number does, an edit of anything else does not."""

import re
import shutil

import pytest
from commands import CASE, command

from pruning_oracle.bench import runs
from pruning_oracle.bench.runs import code_digest
from pruning_oracle.bench.runs.provenance import ROOT
from pruning_oracle.criteria.run import SOURCES as CRITERIA
from pruning_oracle.oracle.run import SOURCES as ORACLE
from pruning_oracle.reports.inputs.read import GRADER
from pruning_oracle.reports.report import DRAWN_BY

VGG = "bench/cases/vgg_digits.py"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the suite's sources, which may be edited."""
    for stage in code_digest.STAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "records", "baselines")
        shutil.copytree(ROOT / stage, tmp_path / stage, ignore=ignored)
    monkeypatch.setattr(code_digest, "ROOT", tmp_path)
    yield tmp_path
    code_digest.read_source.cache_clear()


def measured_by(stage=ORACLE, case=VGG):
    code_digest.read_source.cache_clear()
    return runs.measured_by(stage, code_digest.depends_on([case], code_digest.TRAINING))["sources"]


def edit(path, pattern, replacement):
    text = path.read_text()
    edited = re.sub(pattern, replacement, text, count=1)
    assert edited != text, f"{pattern} is not in {path}"
    path.write_text(edited)


UNCHANGED = {
    "another case's data": ("bench/data/birds200.py", r"(?m)^FOLDER = .*$", 'FOLDER = "elsewhere"'),
    "another case": ("bench/cases/resnet_digits.py", "examples=512", "examples=128"),
    "another network": ("bench/models/resnet.py", "kernel_size=3", "kernel_size=5"),
    "a criterion": ("criteria/taylor.py", "return -site.gate_grad", "return site.gate_grad"),
    "a docstring of the engine": ("oracle/exact/replay.py", "The fast exact engine", "A fast exact engine"),
    "a comment of the engine": ("oracle/exact/replay.py", r"(?m)^FOLD = 1024.*$", "FOLD = 1024  # another comment"),
    "a docstring of other libraries' criteria": ("criteria/peers/nni.py", "NNI's criteria", "Criteria of NNI"),
    "how the case is pruned": (VGG, "remove=24", "remove=12"),
    "how the case is trained": (VGG, "epochs=40", "epochs=10"),
    "how networks are trained": ("bench/training/from_scratch.py", "5.0", "1.0"),
    "a section of the report": ("reports/sections/scatter.py", "MOST = 10", "MOST = 5"),
}
CHANGED = {
    "the engine": ("oracle/exact/replay.py", r"// 4", "// 8"),
    "a file that the engine imports": ("oracle/exact/linear_step.py", "-= _contribution", "+= _contribution"),
    "the estimate": ("oracle/estimated/estimate.py", "SKEWED = 1.25", "SKEWED = 1.5"),
    "what a gate does": ("bench/network/gates.py", "kept = activation \\* ", "kept = activation + "),
    "what maps cost": ("bench/network/cost.py", "2 \\* layer.positions", "3 * layer.positions"),
    "the case": (VGG, "examples=512", "examples=128"),
    "the case's network": ("bench/models/vgg.py", "kernel_size=3", "kernel_size=5"),
    "the case's data": ("bench/data/digits.py", "small / 8", "small / 16"),
    "how sites are found": ("bench/network/operation_probe.py", "math.nan", "math.inf"),
}


@pytest.mark.parametrize("edited", UNCHANGED)
def test_an_edit_elsewhere_measures_nothing_again(tree, edited):
    before = measured_by()
    path, *change = UNCHANGED[edited]
    edit(tree / path, *change)
    assert measured_by() == before


@pytest.mark.parametrize("edited", CHANGED)
def test_an_edit_of_what_computes_the_numbers_measures_again(tree, edited):
    before = measured_by()
    path, *change = CHANGED[edited]
    edit(tree / path, *change)
    assert measured_by() != before


def test_how_a_case_is_fine_tuned_shows_in_its_weights_and_what_it_sees_does_not(tree):
    flowers = "bench/cases/squeezenet_flowers102.py"
    before = measured_by(case=flowers)
    edit(tree / flowers, "rate=3e-4", "rate=1e-4")
    edit(tree / flowers, "epochs=20", "epochs=8")
    assert measured_by(case=flowers) == before
    edit(tree / flowers, "crop=128", "crop=64")
    assert measured_by(case=flowers) != before


def test_criteria_follow_their_own_files_and_evidence(tree):
    taylor, before = [*CRITERIA, "criteria/taylor.py"], {}
    before = measured_by(taylor)
    edit(tree / "criteria/weights.py", "square", "abs")
    edit(tree / "oracle/recheck.py", "CHECKED = 8", "CHECKED = 9")
    assert measured_by(taylor) == before
    edit(tree / "criteria/evidence/tally.py", "product.sum\\(2\\)", "product.mean(2)")
    assert measured_by(taylor) != before


def test_a_data_file_that_a_module_names_counts_with_it(tree):
    combinations = [*CRITERIA, "criteria/combinations.py"]
    before = measured_by(combinations)
    edit(tree / "criteria/combination.json", r"0\.\d+", "0.5")
    assert measured_by(combinations) != before


def test_an_edited_grader_grades_anew_and_an_edited_section_draws_anew(tree):
    def digests():
        code_digest.read_source.cache_clear()
        return code_digest.depends_on(GRADER)["sources"], code_digest.depends_on(DRAWN_BY)["sources"]

    before = digests()
    edit(tree / "reports/sections/scatter.py", "MOST = 10", "MOST = 5")
    section = digests()
    assert (section[0] == before[0], section[1] == before[1]) == (True, False)
    edit(tree / "reports/agreement/few_examples.py", "DRAWS = 10", "DRAWS = 20")
    assert digests()[0] != before[0]
    page = digests()[1]
    edit(tree / "reports/page/page.html", "<", " <")
    assert digests()[1] != page


def test_the_libraries_that_compute_count_and_others_do_not(monkeypatch):
    before = runs.measured_by(ORACLE, code_digest.depends_on([VGG]))["libraries"]
    assert {"python", "torch", "numpy"} <= set(before)
    assert not {"tqdm", "matplotlib", "captum", "timm"} & set(before)
    monkeypatch.setattr(code_digest, "installed", lambda name: "0")
    assert runs.measured_by(ORACLE, code_digest.depends_on([VGG]))["libraries"]["torch"] == "0" != before["torch"]


def test_a_users_file_counts_with_what_lies_beside_it(tmp_path):
    (tmp_path / "mine.py").write_text("from helper import f\n\n\ndef g():\n    return f()\n")
    (tmp_path / "helper.py").write_text("def f():\n    return 1\n")
    before = measured_by(case=tmp_path / "mine.py")
    (tmp_path / "helper.py").write_text('def f():\n    """One."""\n    return 1  # of course\n')
    assert measured_by(case=tmp_path / "mine.py") == before
    (tmp_path / "helper.py").write_text("def f():\n    return 2\n")
    assert measured_by(case=tmp_path / "mine.py") != before


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


COMMANDS = {
    "oracle.safetensors": ["oracle", "mine.py"],
    "criteria.safetensors": ["criteria", "mine.py", "--criteria", "taylor"],
    "few.safetensors": ["pruning", "mine.py", "--batch", "4", "--updates", "1", "--final-updates", "0", "--run-name", "few"],
}


@pytest.mark.parametrize("file", COMMANDS)
def test_a_command_makes_its_file_again_only_where_its_content_would_differ(tmp_path, monkeypatch, file):
    if file == "few.safetensors":
        pytest.importorskip("torch_pruning", reason="torch-pruning, which cuts layers, is not installed")
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))

    def made(*more):
        before = stamps(tmp_path)
        code_digest.read_source.cache_clear()
        done = command(*COMMANDS[file], *more, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        again = stamps(tmp_path) != before
        assert again != ("is up to date" in done.stdout)
        return again

    assert made()
    assert not made()
    (tmp_path / "mine.py").write_text('"""A case."""\n' + CASE.format(label=1, mode=".eval()"))
    assert not made(), "a docstring"
    (tmp_path / "mine.py").write_text(CASE.format(label=0, mode=".eval()"))
    assert made(), "other labels"
    assert made("--seed", "1"), "a seed of its own, in a file of its own"
    assert not made("--seed", "1")
    monkeypatch.setattr("pruning_oracle.bench.setting.torch.get_num_threads", lambda: 77)
    assert not made(), "another number of threads"
    assert made("--precision", "float64"), "a setting"
    path = next(tmp_path.rglob(f"runs/mine/0/**/{file}"))
    path.write_bytes(path.read_bytes()[:-1])
    assert made("--precision", "float64"), "a damaged file"
    monkeypatch.setattr(code_digest, "installed", lambda name: "0")
    assert made("--precision", "float64"), "another version of what computes"
