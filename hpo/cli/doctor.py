"""`hpo doctor`: what is installed, what there is to work with, and what to mend.

It looks and touches nothing: a store that is not there yet is not made.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from hpo.cli import installed, machine
from hpo.cli.console import Format, clean, out, say, write_csv, write_json
from hpo.cli.exit_codes import GONE, MISTAKE
from hpo.cli.installed import Check

if TYPE_CHECKING:
    from hpo.store.health import Health

STYLES = {"ok": "green", "look": "yellow", "broken": "bold red"}
STORE = "store"


def examine(store_url: str, format_: Format) -> int:
    """Look at everything and print a line for each; return the exit code."""
    if format_ is Format.TABLE:
        say("looking (this takes some seconds) ...")
    tensorflow = machine.TensorFlow()
    try:
        checks = _checks(store_url, tensorflow)
    finally:
        tensorflow.close()
    if format_ is Format.JSON:
        write_json([check.row() for check in checks])
    elif format_ is Format.CSV:
        write_csv([check.row() for check in checks])
    else:
        _print(checks)
    broken = {check.check for check in checks if check.state == "broken"}
    return GONE if STORE in broken else MISTAKE if broken else 0


def _checks(store_url: str, tensorflow: machine.TensorFlow) -> list[Check]:
    n_workers = machine.usable_cores()
    first = [installed.python(), *installed.packages()]
    rest = [
        *_guarded("cores", lambda: [machine.cores(n_workers)]),
        *_guarded("memory", lambda: [machine.memory(n_workers)]),
        machine.spawning(),
        machine.temporary(),
        machine.clock(),
        *_guarded(STORE, lambda: _of_store(store_url)),
        installed.mlflow(),
    ]
    # It began first and is waited for last, as it is the slowest by far.
    return [*first, *tensorflow.checks(), installed.jax(), *rest]


def _guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """Say that something cannot be looked at without a package that is not there."""
    try:
        return look()
    except ImportError as error:
        found = f"cannot be looked at: {error}"
        return [Check(name, "broken", found, "mend the packages first")]


def _of_store(url: str) -> list[Check]:
    from hpo.store.health import look

    health = look(url)
    folder = health.folder
    here = folder if folder is not None and folder.is_dir() else Path.cwd()
    return [_store(url, health), machine.disk("disk", here)]


def _store(url: str, health: Health) -> Check:
    from hpo.store.database import masked
    from hpo.store.schema import HEAD

    shown = masked(url)
    if health.problem:
        found, _, advice = health.problem.rpartition("; ")
        return Check(STORE, "broken", f"{shown}: {found or advice}", advice)
    if health.warning:
        found, _, advice = health.warning.rpartition("; ")
        return Check(STORE, "look", f"{shown}: {found}", advice)
    if health.version is None:
        return Check(STORE, "ok", f"{shown}: will be made by the first run")
    n = health.n_studies
    studies = "1 study" if n == 1 else f"{n} studies"
    journal = "journal " + health.journal if health.kind == "sqlite" else health.journal
    found = f"{shown}: {studies}, schema {health.version}, {journal}"
    if health.version < HEAD:
        return Check(STORE, "look", found, "the next run brings its schema up to date")
    return Check(STORE, "ok", found)


def _print(checks: Sequence[Check]) -> None:
    console = out()
    width = max(len(check.check) for check in checks)
    for check in checks:
        begin = Text(f"{check.state:<6}", style=STYLES[check.state])
        begin.append(f"  {check.check:<{width}}  ", style="none")
        lines = _wrapped(check.found, console.width - width - 10)
        if check.advice:
            advice = _wrapped(check.advice, console.width - width - 13)
            lines += [f"{'   ' if i else '-> '}{line}" for i, line in enumerate(advice)]
        margin = "\n" + " " * (width + 10)
        begin.append(margin.join(lines), style="none")
        console.print(begin, soft_wrap=True)
    n_broken = sum(check.state == "broken" for check in checks)
    n_look = sum(check.state == "look" for check in checks)
    if n_broken or n_look:
        say(f"{n_broken} broken, {n_look} to look at")
    else:
        say("all is well; begin with: hpo init")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(clean(text), max(width, 20), break_on_hyphens=False)
