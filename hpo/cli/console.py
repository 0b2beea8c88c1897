"""How text reaches the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from hpo.report.tables import csv_cell

Row = dict[str, Any]
NARROWEST = 80


class Format(StrEnum):
    """How a listing is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def out() -> Console:
    """Return the console for results; 80 columns wide where it is no terminal."""
    return _console(sys.stdout)


def err() -> Console:
    """Return the console for progress and messages."""
    return _console(sys.stderr)


def _console(file: Any) -> Console:
    width = None if file.isatty() else NARROWEST
    # No markup: names and units may stand in brackets.
    return Console(
        file=file, width=width, highlight=False, soft_wrap=False, markup=False
    )


def clean(text: object) -> str:
    """Return text safe for a terminal: control characters become visible."""
    return "".join(
        c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text)
    )


def say(message: str, *, style: str = "") -> None:
    """Print a message for a person, on stderr, without cutting long lines."""
    text = Text(clean(message), style=style)
    err().print(text, soft_wrap=True)


class CleanTable(Table):
    """A table whose texts cannot move the cursor: a store may come from anybody."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of texts."""
        safe = (clean(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*safe, **options)


def table(title: str | None = None, *columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table in the style of the house."""
    made = CleanTable(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        made.add_column(
            clean(column),
            justify="right" if column in right and column != "params" else "left",
            overflow="fold",
            header_style="bold",
        )
    return made


def number(value: float | None, digits: int = 4) -> str:
    """Word a score; a dash stands for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def value(given: object) -> str:
    """Word a hyperparameter's value: floats short, the rest as it is."""
    if isinstance(given, bool) or given is None:
        return {True: "true", False: "false", None: "null"}[given]
    return clean(f"{given:.4g}" if isinstance(given, float) else given)


def duration(seconds: float | None) -> str:
    """Word a time, as in ``1h 05m``, ``2m 10s`` or ``4.2 s``."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s"


def about(seconds: float) -> str:
    """Word an estimated time roughly.

    Example:
        >>> about(0.4), about(47), about(700)
        ('about a second', 'about 50 seconds', 'about 12 minutes')
        >>> about(9_000), about(400_000)
        ('about 2.5 hours', 'about 4.6 days')
    """
    if seconds < 1.5:
        return "about a second"
    if seconds < 90:
        step = 1 if seconds < 20 else 5 if seconds < 45 else 10
        return f"about {step * round(seconds / step)} seconds"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    if seconds < 36 * 3_600:
        return f"about {seconds / 3_600:.2g} hours"
    return f"about {seconds / 86_400:,.1f} days"


def fitting(names: Sequence[str], width: int) -> str:
    """Join as many names as fit, long ones shortened; say how many more there are.

    Example:
        >>> fitting(["alpha", "beta", "gamma"], 17), fitting(["alpha", "beta"], 17)
        ('alpha, 2 more', 'alpha, beta')
    """
    short = [name if len(name) <= 30 else f"{name[:27]}..." for name in names]
    if len(", ".join(short)) <= width:
        return ", ".join(short)
    shown: list[str] = []
    for name in short:
        if len(", ".join([*shown, name])) > width - len(", 9,999 more") and shown:
            break
        shown.append(name)
    return f"{', '.join(shown)}, {len(short) - len(shown):,} more"


def quoted_name(name: str) -> str:
    """Return the name of a study as it stands in a command to be typed."""
    return f"'{clean(name)}'" if " " in name else clean(name)


def write_json(rows: object) -> None:
    """Write JSON to stdout."""
    sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")


def write_csv(rows: Sequence[Row]) -> None:
    """Write CSV to stdout; what is no plain value is written as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: csv_cell(row.get(name)) for name in names})
