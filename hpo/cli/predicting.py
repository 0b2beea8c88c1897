"""`hpo predict`: predictions of an exported model for new rows, as CSV."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpo.cli.console import say
from hpo.errors import ExportError
from hpo.export.loading import open_model
from hpo.export.predicted import Predicted, predicted


def predict_rows(
    folder: Path, rows: Path, output: Path | None, allowed_modules: Sequence[str]
) -> None:
    """Predict the rows of a file and write them as CSV, in their order.

    Args:
        folder: What `hpo export` wrote.
        rows: A ``.csv``, ``.parquet`` or ``.npz`` file.
        output: CSV file to write, whole or not at all; None for stdout.
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
    if output.is_dir():
        raise ExportError(f"-o: {output} is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise ExportError(f"-o: there is no folder {output.absolute().parent}")
    if output.resolve() == rows.resolve():
        raise ExportError(f"-o: {output} holds the rows; name another file")
    if output.resolve().is_relative_to(folder.resolve()):
        raise ExportError(f"-o: {output} lies in the model's folder; name another file")


def _write_whole(made: Predicted, output: Path) -> None:
    """Write to a file beside, which then takes the place of ``output``."""
    beside = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            write_predictions(made, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(output)
    except OSError as error:
        reason = error.strerror or error
        raise ExportError(f"-o: {output} cannot be written ({reason})") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
