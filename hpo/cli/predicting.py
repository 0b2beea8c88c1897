"""`hpo predict`: predictions of an exported model for new rows, as CSV."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpo.cli.console import say
from hpo.errors import ExportError
from hpo.export.loading import open_model
from hpo.export.predicted import PREDICTION, Predicted, predicted
from hpo.whole_files import start_of, whole_file

HEADERS = (PREDICTION.encode(), f'"{PREDICTION}'.encode())
"""How a file of predictions begins, which may be written anew."""


def predict_rows(
    folder: Path, rows: Path, output: Path | None, allowed_modules: Sequence[str]
) -> None:
    """Predict the rows of a file and write them as CSV, in their order.

    Args:
        folder: What `hpo export` wrote.
        rows: A ``.csv``, ``.parquet`` or ``.npz`` file.
        output: CSV file to write, whole or not at all: a new one, or one that holds
            predictions; None for stdout.
        allowed_modules: Modules of the user's that the model may be made of.

    Raises:
        HpoError: Anything that keeps it from predicting; see `hpo.cli.app.main`.
    """
    if output is not None:
        _refuse_output(output, folder, rows)
    model = open_model(folder, allowed_modules)
    for note in model.notes:
        say(f"warning: {note}", style="yellow")
    made = predicted(model, rows)
    for note in made.notes:
        say(f"note: {note}")
    if output is None:
        write_predictions(made, sys.stdout)
        return
    _write_whole(made, output)
    n_rows = len(next(iter(made.columns.values())))
    say(f"{n_rows:,} prediction{'s' if n_rows != 1 else ''} written to {output}")


def write_predictions(made: Predicted, file: IO[str]) -> None:
    """Write predictions as CSV; numbers read back as exactly the same."""
    columns = [_cells(values) for values in made.columns.values()]
    # The writer of Python leaves a lone carriage return outside of quotes.
    odd = any("\r" in cell for cell in set(columns[0]))
    writer = (
        csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if odd
        else csv.writer(file, lineterminator="\n")
    )
    writer.writerow(made.columns)
    writer.writerows(zip(*columns, strict=True))


def _cells(values: Any) -> list[str]:
    """Return the cells of a column: the shortest text of each number."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        # Not by way of float64, which would write float32 with digits it never had.
        return list(map(str, array.tolist() if array.dtype == np.float64 else array))
    if array.dtype.kind in "iub":
        return list(map(str, array.tolist()))
    # Labels as the training data have them, also those that a spreadsheet would run:
    # a program that reads them has to find the same classes.
    return list(map(str, array.tolist()))


def _refuse_output(output: Path, folder: Path, rows: Path) -> None:
    """Refuse a file that cannot be written, or must not be lost, before predicting."""
    place = _real(output)
    if output.is_dir():
        raise ExportError(f"-o: {output} is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise ExportError(f"-o: there is no folder {output.absolute().parent}")
    if place == _real(rows):
        raise ExportError(f"-o: {output} holds the rows; name another file")
    if place.is_relative_to(_real(folder)):
        raise ExportError(f"-o: {output} lies in the model's folder; name another file")
    start = start_of(output)
    if start and not start.startswith(HEADERS):
        raise ExportError(
            f"-o: {output} holds something that is no predictions; name another file"
        )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # resolve() raises where links go in a circle


def _write_whole(made: Predicted, output: Path) -> None:
    try:
        with whole_file(output) as file:
            write_predictions(made, file)
    except OSError as error:
        reason = error.strerror or error
        raise ExportError(f"-o: {output} cannot be written ({reason})") from error
