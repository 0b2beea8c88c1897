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
    TrackingError,
)
from hpo.garbage import rarely_looked_for

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
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-module", help="Installed package whose code the file may name."
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        envvar="MLFLOW_TRACKING_URI",
        help="Address of MLflow, or none; default: mlflow.db in this folder.",
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", help="What Keras computes with: tensorflow or jax."),
]
FileArgument = Annotated[Path, typer.Argument(help="Study file (YAML).")]
NameArgument = Annotated[str, typer.Argument(help="Name of a study; see hpo list.")]


@app.command()
def run(
    file: FileArgument,
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
    backend: BackendOption = None,
    tracking: TrackingOption = None,
    allow_module: AllowOption = None,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Create the study of FILE, or go on with it, and run it to its end.

    Running it again goes on where it was stopped, however it was stopped. Ctrl-C lets
    the folds that are training finish; a second Ctrl-C stops at once.
    """
    from hpo.cli.run import run_study

    given = {
        "search.trials": trials,
        "search.timeout": timeout,
        "engine.jobs": jobs,
        "search.strategy": strategy,
        "name": name,
        "engine.kind": engine,
        "engine.backend": backend,
    }
    allowed = tuple(allow_module or ())
    overrides: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    raise typer.Exit(run_study(file, overrides, store, tracking, format_, allowed))


@app.command()
def init(
    file: Annotated[
        Path | None,
        typer.Argument(help="Study file to write; default: named after the table."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Table to look at (.csv or .parquet).")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Column to predict; default: a likely one.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if there is one.")
    ] = False,
) -> None:
    """Write a commented study file that fits a table, ready to be run."""
    from hpo.cli.init import init_study

    init_study(file, data, target, force=force)


@app.command()
def check(
    file: FileArgument,
    time: Annotated[
        bool, typer.Option("--time", help="Train one fold to estimate the time.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes to estimate for.")
    ] = None,
    backend: BackendOption = None,
    allow_module: AllowOption = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Validate FILE and describe what would run, without training.

    The space and its size, rows, columns and classes, folds and fits; with --time also
    the time it would take, from one fold that is trained.
    """
    from hpo.cli.check import check_study

    overrides = {"engine.jobs": jobs, "engine.backend": backend}
    check_study(file, overrides, tuple(allow_module or ()), format_, timed=time)


@app.command("try")
def try_(
    file: FileArgument,
    param: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", help="A hyperparameter's value, as units=64."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; default: one a core.")
    ] = None,
    backend: BackendOption = None,
    allow_module: AllowOption = None,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Judge params of your own in the study of FILE, beside its search.

    What -p does not give has the family's default. The trial is stored apart: it does
    not count towards the budget and changes nothing in the search.
    """
    from hpo.cli.trying import try_params

    allowed = tuple(allow_module or ())
    overrides = {"engine.jobs": jobs, "engine.backend": backend}
    raise typer.Exit(try_params(file, param or [], overrides, allowed, store, format_))


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Remove a study and all its trials from the store; asks first."""
    from hpo.cli.delete import delete_study

    delete_study(name, store, sure=yes)


@app.command()
def doctor(
    store: StoreOption = DEFAULT_STORE, format_: FormatOption = Format.TABLE
) -> None:
    """Look at versions, store, cores, memory and GPUs, and say what to mend."""
    from hpo.cli.doctor import examine

    raise typer.Exit(examine(store, format_))


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
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 2 seconds.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show one study: what it searches, how far it is, and what failed."""
    if watch:
        from hpo.cli.watching import watch_study

        watch_study(name, store)
        return
    from hpo.cli.listing import show_study

    show_study(name, store, format_)


@app.command()
def trials(
    name: NameArgument,
    all_: Annotated[
        bool, typer.Option("--all", help="Also trials beyond the one that ended it.")
    ] = False,
    manual: Annotated[
        bool, typer.Option("--manual", help="Those of hpo try instead.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List the trials of a study with their scores and params."""
    from hpo.cli.listing import list_trials

    list_trials(name, store, format_, everything=all_, manual=manual)


@app.command()
def best(
    name: NameArgument,
    test: Annotated[
        bool,
        typer.Option("--test", help="Score it on the held-out test part, once."),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="With --test: look once more; every look counts."),
    ] = False,
    allow_module: AllowOption = None,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show which params to take, how good they really are, and the gain they bring.

    With --test the model is trained once more on all training rows and scored on the
    rows that were held out from the start. That number is stored with its time, and
    shown from then on: it can be believed as long as it was looked at once.
    """
    from hpo.cli.best import show_best

    allowed = tuple(allow_module or ())
    raise typer.Exit(
        show_best(name, store, format_, test=test, again=again, allowed_modules=allowed)
    )


@app.command()
def report(
    name: NameArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write; default: NAME.html."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write one HTML file of a study: its result, plots and tables; works offline."""
    from hpo.cli.reporting import write_report

    write_report(name, output, store)


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(help="Names of studies; with --strategies a file.")
    ],
    strategies: Annotated[
        str | None,
        typer.Option(help="Run the file by each: grid,random,bayesian, or some."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="With --strategies: searches by each.", min=1, max=100)
    ] = 3,
    trials: Annotated[
        int | None, typer.Option(help="With --strategies: trials of each search.")
    ] = None,
    to_reach: Annotated[
        float | None, typer.Option(help="Score to reach; default: one most reach.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; default: one a core.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML file to write as well.")
    ] = None,
    allow_module: AllowOption = None,
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Set studies side by side, or strategies on one study file.

    Best score so far against trials and seconds, and how long each took to reach a
    score. With --strategies every search has the same budget and space; it goes on
    where it was stopped if it is run again.
    """
    from hpo.cli.comparing import compare_strategies, compare_studies

    if strategies is None:
        compare_studies(names, to_reach, output, store, format_)
        return
    allowed = tuple(allow_module or ())
    overrides = {"engine.jobs": jobs, "search.trials": trials}
    raise typer.Exit(
        compare_strategies(
            names,
            strategies,
            seeds,
            overrides,
            to_reach,
            output,
            allowed,
            store,
            format_,
        )
    )


@app.command()
def export(
    name: NameArgument,
    to: Annotated[Path, typer.Option("--to", help="Folder to write; new or empty.")],
    trial: Annotated[
        int | None, typer.Option(help="Number of another trial than the chosen one.")
    ] = None,
    register: Annotated[
        str | None, typer.Option(help="Name to register it by in MLflow.")
    ] = None,
    tracking: TrackingOption = None,
    allow_module: AllowOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Train the chosen trial on all training rows and write the model to a folder.

    The folder holds the model with its preprocessing, and needs neither the store nor
    the data: hpo predict uses it, and hpo.load_model in Python.
    """
    from hpo.cli.exporting import export_study

    allowed = tuple(allow_module or ())
    export_study(name, to, trial, register, tracking, allowed, store)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(help="Folder that hpo export wrote.")],
    rows: Annotated[Path, typer.Argument(help="Rows to predict (.csv, .parquet).")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="CSV file to write; default: stdout."),
    ] = None,
    allow_module: AllowOption = None,
) -> None:
    """Predict new rows with an exported model: classes, probabilities or values."""
    from hpo.cli.predicting import predict_rows

    predict_rows(folder, rows, output, tuple(allow_module or ()))


@app.command()
def sync(
    name: Annotated[
        str | None, typer.Argument(help="Name of a study; default: all of them.")
    ] = None,
    tracking: TrackingOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Send to MLflow what it does not have yet, or has lost.

    A run sends its trials itself; this is for what MLflow missed while it was down,
    for studies run with --tracking none, and for a new MLflow.
    """
    from hpo.cli.sync import sync_studies

    raise typer.Exit(sync_studies(name, tracking, store))


@app.command()
def ui(
    name: Annotated[
        str | None, typer.Argument(help="Study whose page to name; default: all.")
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)
    ] = 5000,
    tracking: TrackingOption = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Start the MLflow UI on this machine and print the address of each study."""
    from hpo.cli.ui import serve_ui

    raise typer.Exit(serve_ui(name, port, tracking, store))


def main() -> None:
    """Run the command line and exit with the documented code."""
    rarely_looked_for()
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
    if isinstance(error, StoreError | EngineError | TrackingError):
        return GONE
    if isinstance(error, SpecError) and len(error.problems) > 1:
        say(f"{len(error.problems)} mistakes; nothing was run")
    return MISTAKE


def _leave(code: int) -> None:
    sys.exit(code)


if __name__ == "__main__":
    main()
