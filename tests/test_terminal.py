"""What a command prints, and how it ends: no traceback, whatever is done to it or stands in the names that it prints."""

import ast
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import surroundings

from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.runs.pool import shared_out
from pruning_oracle.bench.terminal import GuardedStream, one_line, printable

HOSTILE = "\x1b[31mred\x07\r\u202e\udc80 \u2192"
SHOWN = "\\x1b[31mred\\x07\\r\\u202e\\udc80 \u2192"
# a command in a process of its own, without the seconds that torch takes
PRELUDE = "import sys; from pruning_oracle.bench.errors import BadInput, exit_with\n"


def own(program, **given):
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program],
        env=surroundings(**given.pop("environment", {})),
        text=True,
        stderr=subprocess.PIPE,
        **given,
    )


def test_printable_and_one_line():
    assert printable(HOSTILE) == SHOWN
    assert printable("a\n\tb → c × ℓ2 −1") == "a\n\tb → c × ℓ2 −1"
    assert one_line("a\nb\tc\x1b") == "a\\nb\\tc\\x1b"


def test_all_that_a_command_prints_is_printable(capsys):
    def main():
        print("a site", HOSTILE)
        print("a warning", HOSTILE, file=sys.stderr)
        raise BadInput(f"no such case {HOSTILE}\nerror: forged")

    before = sys.stdout
    with pytest.raises(SystemExit) as end:
        exit_with(main)
    assert end.value.code == 2
    assert sys.stdout is before
    out, errors = capsys.readouterr()
    assert out == f"a site {SHOWN}\n"
    assert errors == f"a warning {SHOWN}\nerror: no such case {SHOWN}\\nerror: forged\n"


def test_progress_bars_may_move_the_cursor():
    stream = io.StringIO()
    guarded = GuardedStream(stream)
    for text in ("\rhalf done ", "\n\n", "\x1b[A\x1b[A", f"\r{HOSTILE}"):
        guarded.write(text)
    assert stream.getvalue() == f"\rhalf done \n\n\x1b[A\x1b[A\r{SHOWN}"


def test_a_reader_that_has_read_enough_does_not_stop_the_work(tmp_path):
    program = "def main():\n for i in range(20000): print('line', i)\n open(sys.argv[1], 'w').write('done')\nexit_with(main)"
    call = [sys.executable, "-c", PRELUDE + program, str(tmp_path / "result")]
    with subprocess.Popen(call, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "line 0\n"
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == 0
    assert (tmp_path / "result").read_text() == "done"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_output_that_is_closed_from_the_start(tmp_path, closed):
    """A file that is opened must not get the number of standard output, into which a library may print."""
    program = (
        "import os\ndef main():\n with open(sys.argv[1], 'w') as file:\n"
        "  os.write(1, b'noise'); print('hello'); file.write('done')\n"
        "  print('hello', file=sys.stderr)\nexit_with(main)"
    )
    call = f'exec "$0" -c "$1" "$2" {closed}'
    words = ["sh", "-c", call, sys.executable, PRELUDE + program, str(tmp_path / "result")]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "result").read_text() == "done"


def test_output_that_cannot_be_written_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = own("exit_with(lambda: print('hello'))", stdout=full)
        assert done.communicate()[1] == "error: cannot print: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    "encoding", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}]
)
def test_narrow_encodings_can_print_everything(encoding):
    running = own("exit_with(lambda: print('a \\u2192 b'))", stdout=subprocess.PIPE, environment=encoding)
    out, errors = running.communicate()
    assert (out, errors, running.returncode) == ("a \\u2192 b\n", "", 0)


def test_an_interruption_ends_with_its_status_even_in_a_finaliser():
    program = (
        "import time\nclass Late:\n def __del__(self):\n  print('deleting', flush=True); time.sleep(30)\n"
        "def main():\n late = Late(); del late\n time.sleep(30)\nexit_with(main)"
    )
    running = own(program, stdout=subprocess.PIPE)
    assert running.stdout.readline() == "deleting\n"
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=20)[1]
    assert errors == "interrupted: files already written are complete, nothing else was written\n"
    assert running.returncode == 130


def test_an_interruption_ends_with_its_status_even_in_a_text_that_is_executed(tmp_path):
    """As in `dataclasses`, which write methods as text: `python -m` remembers an interruption there and ends by a signal."""
    program = PRELUDE + "exit_with(lambda: exec(\"import time; print('now', flush=True); time.sleep(30)\"))"
    (tmp_path / "executed.py").write_text(program)
    words = [sys.executable, "-m", "executed"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(words, cwd=tmp_path, env=surroundings(), **pipes)
    assert running.stdout.readline() == "now\n"
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=20)[1]
    assert errors == "interrupted: files already written are complete, nothing else was written\n"
    assert running.returncode == 130


@pytest.mark.parametrize("seconds", [0.3, 0.9])
def test_an_interruption_while_modules_are_imported(tmp_path, seconds):
    words = [sys.executable, "-m", "pruning_oracle.oracle", "vgg-digits", "--out", str(tmp_path / "o")]
    running = subprocess.Popen(words, env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not _has_begun(running.pid):
        time.sleep(0.01)
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    errors = running.communicate(timeout=60)[1]
    assert errors == "interrupted: files already written are complete, nothing else was written\n"
    assert running.returncode == 130
    assert list(tmp_path.iterdir()) == []


def _has_begun(pid):
    """Whether a process catches SIGINT by a handler, as the suite's commands do from their first import on."""
    lines = Path(f"/proc/{pid}/maps").read_text() if sys.platform == "linux" else "numpy"
    return "numpy" in lines or "libffi" in lines


def slowly(seconds):
    """Work for a pool."""
    Path(os.environ["BEGUN"], str(os.getpid())).touch()
    time.sleep(seconds)


@pytest.mark.parametrize("whom", ["all", "the first"])
def test_an_interruption_ends_a_pool_quietly(tmp_path, whom):
    """As Ctrl-C does, which reaches every process of a terminal, and as a signal to the first process does."""
    program = "sys.path.insert(0, 'tests'); import test_terminal; exit_with(test_terminal.pooled)"
    running = own(program, stdout=subprocess.PIPE, start_new_session=True, environment={"BEGUN": str(tmp_path)})
    while len(list(tmp_path.iterdir())) < 2 and running.poll() is None:
        time.sleep(0.05)
    (os.killpg if whom == "all" else os.kill)(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=30)
    assert (out, errors) == ("", "interrupted: files already written are complete, nothing else was written\n")
    assert running.returncode == 130
    assert all(_gone(int(path.name)) for path in tmp_path.iterdir())


def pooled():
    """A command that waits for two processes."""
    with shared_out(slowly, [60.0] * 4, 2) as futures:
        [future.result() for future in futures]


def _gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_a_process_of_a_pool_that_is_killed_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BEGUN", str(tmp_path))
    with pytest.raises(BadInput, match="a process was ended from outside"), shared_out(killed, [1], 1) as futures:
        futures[0].result()


def killed(part):
    """Work that the system kills, as for lack of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_command_ends_by_the_same_wrapper():
    """What the tests above show of `exit_with` holds for every command."""
    commands = [path for path in Path().rglob("*.py") if path.parts[0] not in {".venv", ".link", "build"} and _main(path)]
    assert len(commands) > 7
    for path in commands:
        assert path == Path("bench/runs/kinds.py") or "exit_with(main)" in ast.unparse(_main(path)), path


def _main(path):
    """The block of a file that runs when it is a command."""
    if path.parts[0] in {"tests", "examples", "docs"} and path.parts[:2] != ("tests", "gpu"):
        return None
    blocks = [
        node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
    ]
    return blocks[0] if blocks else None
