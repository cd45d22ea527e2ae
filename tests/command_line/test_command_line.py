"""The command `pruning-oracle`: help, completion, JSON, and a case given in the same way everywhere."""

import json
import subprocess
import sys

import pytest
import typer
from commands import CASE, command, own_process, surroundings

from pruning_oracle.bench.terminal import GuardedStream
from pruning_oracle.command_line import app
from pruning_oracle.command_line.printed import print_table

COMMANDS = sorted(typer.main.get_command(app.application()).commands)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_can_be_read(name, tmp_path):
    made = typer.main.get_command(app.application()).commands[name]
    done = command(name, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert made.help
    for parameter in made.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"
    examples = [line.strip() for line in (made.epilog or "").splitlines() if "pruning-oracle" in line]
    assert examples, f"{name} has no example"
    for example in examples:
        import shlex  # noqa: PLC0415

        program, called, *words = shlex.split(example)
        assert (program, called) == ("pruning-oracle", name)
        made.make_context(name, app.spread(words))


def test_help_imports_nothing_that_computes():
    code = """
import sys
from pruning_oracle.command_line import app
for words in (["--help"], ["oracle", "--help"]):
    app.main(words)  # returns: other commands may follow in this process
heavy = sorted({"torch", "numpy", "pandas", "scipy"} & set(sys.modules))
assert not heavy, heavy
print("through")
"""
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Measure" in done.stdout
    assert done.stdout.endswith("through\n")


@pytest.mark.parametrize("wrong", [["--rows", "1:a"], ["--fresh", "2"], ["--precision", "float8"], ["--until", "width=x"]])
def test_compare_checks_its_options_before_it_starts_a_process(mine, monkeypatch, wrong):
    monkeypatch.setattr("pruning_oracle.pipeline.run.measure", lambda *given: pytest.fail("measured"))
    done = command("compare", "mine.py", *wrong, folder=mine)
    assert done.returncode == 2
    assert wrong[0] in done.stderr or wrong[1] in done.stderr


def test_random_sets_have_the_share_that_is_asked_for(mine):
    for share, sizes in (([], [1, 1]), (["--share", "0.6"], [2, 2])):
        done = command("sets", "mine.py", "--random", "2", *share, "--examples", "5", "--device", "cpu", "--json", folder=mine)
        assert done.returncode == 0, done.stderr
        assert [row["maps"] for row in json.loads(done.stdout)["joint losses"]] == sizes


def test_the_module_is_the_command(tmp_path):
    done = own_process("--help", folder=tmp_path)
    assert done.returncode == 0
    assert "regress" in done.stdout
    assert own_process("--version", folder=tmp_path).stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["orcle", "vgg-digits"], "No such command 'orcle'"),
        (["oracle"], "Missing argument 'CASE'; pruning-oracle oracle --help lists what is allowed"),
        (["oracle", "mine.py", "other.py"], "unexpected extra argument"),
        (["oracle", "mine.py", "--exampels", "5"], "No such option: --exampels"),
        (["compare", "mine.py", "mine.py"], "the command names mine twice; allowed is each once"),
        (["compare", "mine.py", "--criteria", "tailor"], "unknown criterion 'tailor'"),
        (["compare", "mine.py", "--data", "npz:a"], "--data is for torchvision:NAME and timm:NAME"),
        (["compare", "mine.py", "--until", "spearman=2"], "--until spearman=2: allowed is a correlation"),
        (["compare", "mine.py", "--memory", "4"], "--memory is '4'; allowed is a number with KiB"),
        (["pruning-study", "mine.py", "--small", "--more"], "three different studies: give one"),
        (["accept", "mine.py"], 'a new baseline needs a reason: --reason "why"'),
    ],
)
def test_a_mistake_is_one_sentence_before_any_work(mine, words, message):
    done = command(*words, folder=mine)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in mine.iterdir()] == ["mine.py"]


def test_compare_is_the_whole_of_it_and_answers_in_json(mine):
    words = ["mine.py", "--examples", "6", "--criteria", "random", "--device", "cpu", "--jobs", "1", "--out", "page"]
    done = own_process("compare", *words, "--json", folder=mine, TQDM_DISABLE="1")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["report"] == "page/index.html"
    assert (mine / "page/index.html").is_file()
    taylor = [row for row in answer["agreement"] if row["criterion"] == "taylor" and row["scope"] == "mean over sites"]
    assert {row["examples"] for row in taylor} == {"shared", "fresh"}
    assert all(row["n"] == 6 for row in taylor)
    again = command("table", "mine", "--json", folder=mine)
    assert json.loads(again.stdout)["agreement"] == answer["agreement"]
    plain = command("table", "mine.py", folder=mine)
    assert "| noise ceiling" in plain.stdout
    assert "\nmine: Spearman with oracle_abs; 6 training examples per seed, 1 seed, float32 on " in plain.stdout
    assert "the oracle was measured on 6 examples: " in plain.stdout


def test_what_is_not_a_finite_number_is_null_in_json(mine, monkeypatch):
    done = command("show", "mine.py", "--json", folder=mine)
    facts = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (facts["case"], facts["sites"][0]["maps"]) == ("mine", 3)
    assert "accuracy" in done.stderr


def test_old_ways_to_call_it_go_on_working(mine):
    for words in (
        ["oracle", "mine.py", "--device", "cpu"],
        ["criteria", "mine.py", "--criteria", "taylor", "random"],
        ["reports", "grade", "mine.py", "--seeds", "0"],
        ["reports", "show", "mine.py"],
        ["bench", "show", "mine.py"],
    ):
        done = own_process(*words, folder=mine)
        assert done.returncode == 0, done.stderr
    assert "| taylor" in own_process("reports", "show", "mine.py", folder=mine).stdout


def test_words_after_an_option_that_takes_several_are_all_its():
    assert app.spread(["a", "--seeds", "0", "1", "--criteria", "x", "y.py", "--json"]) == [
        *("a", "--seeds", "0", "--seeds", "1", "--criteria", "x", "--criteria", "y.py", "--json")
    ]
    assert app.spread(["--seed", "0", "a"]) == ["--seed", "0", "a"]


def test_the_shell_completes_commands_and_cases():
    where = surroundings(_PRUNING_ORACLE_COMPLETE="complete_bash", COMP_WORDS="pruning-oracle oracle vgg-d", COMP_CWORD="2")
    done = subprocess.run([sys.executable, "-m", "pruning_oracle"], env=where, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["vgg-digits"]


def test_a_table_is_drawn_on_a_terminal_and_escapes_of_data_are_not(monkeypatch):
    import pandas as pd  # noqa: PLC0415

    class Terminal:
        def __init__(self):
            self.text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", GuardedStream(terminal))
    print_table(pd.DataFrame({"criterion": ["\x1b]0;owned\x07", "[red]x[/red]"], "Spearman": ["0.90", "0.80"]}), "a title")
    assert "\\x1b]0;owned\\x07" in terminal.text
    assert "\x1b]0" not in terminal.text
    assert "[red]x[/red]" in terminal.text
    assert "|" not in terminal.text
