"""The `hpo` command: what it offers, and how its errors reach a person.

Each command imports what it needs when it is called, so that `hpo --help` is instant.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hpo.cli.console import Format, say
from hpo.cli.exit_codes import BUSY, GONE, INTERRUPTED, MISTAKE
from hpo.errors import (
    EngineError,
    HpoError,
    LeaseLostError,
    SpecError,
    StoreError,
    StudyBusyError,
)

DEFAULT_STORE = "sqlite:///hpo.db"

app = typer.Typer(
    name="hpo",
    help="Find the best hyperparameters of a neural network, judged by k-fold "
    "cross-validation. Start with: hpo run studies/digits.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StoreOption = Annotated[
    str,
    typer.Option(
        "--store", envvar="HPO_STORE", help="Database of studies, an SQLAlchemy URL."
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write it.")]
NameArgument = Annotated[str, typer.Argument(help="Name of a study; see hpo list.")]


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Study file (YAML).")],
    trials: Annotated[
        int | None, typer.Option(help="Total number of trials, over all runs.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Begin no trial after this, e.g. 30m.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; default: one a core.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="grid, random or bayesian.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study instead of the file's.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Where folds train: local.")
    ] = None,
    tracking: Annotated[
        str, typer.Option(help="none: there is no other tracking yet.")
    ] = "none",
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Create the study of FILE, or go on with it, and run it to its end.

    Running it again goes on where it was stopped, however it was stopped. Ctrl-C lets
    the folds that are training finish; a second Ctrl-C stops at once.
    """
    from hpo.cli.run import run_study

    if tracking != "none":
        raise typer.BadParameter("expected none", param_hint="--tracking")
    given = {
        "search.trials": trials,
        "search.timeout": timeout,
        "engine.jobs": jobs,
        "search.strategy": strategy,
        "name": name,
        "engine.kind": engine,
    }
    overrides: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    raise typer.Exit(run_study(file, overrides, store, format_))


@app.command("list")
def list_(
    store: StoreOption = DEFAULT_STORE, format_: FormatOption = Format.TABLE
) -> None:
    """List the studies in the store."""
    from hpo.cli.listing import list_studies

    list_studies(store, format_)


@app.command()
def show(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show one study: what it searches, how far it is, and what failed."""
    from hpo.cli.listing import show_study

    show_study(name, store, format_)


@app.command()
def trials(
    name: NameArgument,
    all_: Annotated[
        bool, typer.Option("--all", help="Also trials beyond the one that ended it.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List the trials of a study with their scores and params."""
    from hpo.cli.listing import list_trials

    list_trials(name, store, format_, everything=all_)


@app.command()
def best(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show the best params found, and the gain over the family's defaults."""
    from hpo.cli.listing import show_best

    raise typer.Exit(show_best(name, store, format_))


def main() -> None:
    """Run the command line and exit with the documented code."""
    try:
        app()
    except KeyboardInterrupt:
        say("interrupted; everything committed is kept")
        _leave(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(0)
    except HpoError as error:
        _leave(_report(error))


def _report(error: HpoError) -> int:
    """Tell the user what is wrong; return the exit code."""
    say(str(error), style="red")
    if isinstance(error, StudyBusyError | LeaseLostError):
        return BUSY
    if isinstance(error, StoreError | EngineError):
        return GONE
    if isinstance(error, SpecError) and len(error.problems) > 1:
        say(f"{len(error.problems)} mistakes; nothing was run")
    return MISTAKE


def _leave(code: int) -> None:
    sys.exit(code)


if __name__ == "__main__":
    main()
