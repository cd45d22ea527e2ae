"""The application `pruning-oracle`: its commands, and how a command line is run so that mistakes end in one sentence."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pruning_oracle.bench.errors import BadInput, exit_with
from pruning_oracle.bench.terminal import end_quietly_while_starting
from pruning_oracle.command_line import better_sets, cases, choosing, grading, holding, measuring, pruning, set_studies

NAME = "pruning-oracle"
MISTAKE: Any = typer.BadParameter.__mro__[1]  # UsageError, of click or of typer's own copy of it
SEVERAL = (
    "--seeds",
    "--criteria",
    "--timed",
    "--by",
    "--shares",
)  # options that take all words up to the next option, as `--seeds 0 1 2`


def application() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name=NAME,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        epilog="Each command says more: `pruning-oracle COMMAND --help`. Files go to the working folder.",
    )

    @app.callback()
    def described(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
        """Measure what removing each feature map of a convolutional network costs, and grade pruning criteria by it."""

    for part in (measuring, grading, choosing, set_studies, better_sets, pruning, holding, cases):
        part.add_to(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line, by default that of the process; BadInput for a mistake in it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        from pruning_oracle.bench.runs.provenance import version

        print(version())
        return
    made: Any = typer.main.get_command(application())
    if f"_{NAME.replace('-', '_').upper()}_COMPLETE" in os.environ:  # the shell asks what may come next
        made.main(words, prog_name=NAME)
        return
    # a command by itself, without the group's own options: what reads those takes long to import
    own = made.commands.get(words[0]) if words else None
    try:
        with (own or made).make_context(f"{NAME} {words[0]}" if own else NAME, spread(words[1:] if own else words)) as context:
            (own or made).invoke(context)
    except typer.Exit as end:
        if end.exit_code:
            raise SystemExit(end.exit_code) from end
    except MISTAKE as error:
        asked = f"{NAME} {words[0]}" if own else NAME
        raise BadInput(f"{error.format_message().rstrip('.')}; {asked} --help lists what is allowed") from error


def spread(words: list[str]) -> list[str]:
    """A command line where an option of `SEVERAL` with several words is repeated for each of them."""
    found, several = list[str](), ""
    for word in words:
        if word.startswith("-") and not word[1:2].isdigit():  # -1 is a value, if a wrong one
            several = word if word in SEVERAL else ""
            found.append(word)
        else:
            found += [several, word] if several and found[-1] != several else [word]
    return found


def after(command: str, arguments: Sequence[str] | None) -> list[str]:
    """The words of a command, whose own are by default those of the process."""
    return [command, *(sys.argv[1:] if arguments is None else arguments)]


def run() -> None:
    """The process of a command: runs its command line, and ends as `exit_with` says."""
    end_quietly_while_starting()
    exit_with(main)
