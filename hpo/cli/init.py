"""`hpo init`: a commented study file to begin with, which fits a table if one is given.

It asks nothing and replaces nothing: what it guessed stands in the file, and is said.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hpo.cli.console import say
from hpo.data import load
from hpo.data.glance import SUFFIXES, Glance, glance
from hpo.data.roles import (
    TARGET_NAMES,
    Target,
    answers_of,
    choose_target,
    give_roles,
)
from hpo.errors import DataError, Problem, SpecError
from hpo.records import Dataset
from hpo.spec import StudySpec, read_study
from hpo.spec.facts import Facts
from hpo.spec.starter import digits, starter, study_name
from hpo.user_code import Home

USUAL = Path("study.yaml")
MANY = 8
LARGE_BYTES = 50 * 2**20
"""A larger table is left for `hpo check` to read, which takes seconds."""


def init_study(
    file: Path | None, data: Path | None, target: str | None, *, force: bool
) -> None:
    """Write a study file that runs as it is.

    Args:
        file: To write; None for study.yaml, or for the name of the table.
        data: Table that the study shall fit; None for the handwritten digits.
        target: Column to predict; None for a likely one.
        force: Whether a file that is there already is replaced.

    Raises:
        SpecError: The file cannot be written, or is there already.
        DataError: The table cannot be used.
    """
    if data is None and target is not None:
        raise SpecError([Problem("--target", "needs a table: --data my.csv")])
    if file is None:
        file = USUAL if data is None else Path(f"{study_name(data.stem)}.yaml")
    _check_place(file, force=force)
    if data is None:
        name = "digits" if file == USUAL else study_name(file.stem)
        _write(file, lambda: digits(str(file), name))
        say(f"wrote {file}: a search over networks for the handwritten digits")
    else:
        _fit(file, data, target)
        say(f"wrote {file}")
    _say_what_next(file)


def _check_place(file: Path, *, force: bool) -> None:
    if file.suffix.lower() in SUFFIXES:
        what = f"is a table, not a study file; say: hpo init --data {file}"
        raise SpecError([Problem(str(file), what)])
    if file.is_dir():
        raise SpecError([Problem(str(file), "expected a file; this is a folder")])
    if not file.parent.is_dir():
        what = f"there is no folder {str(file.parent)!r}; make it first"
        raise SpecError([Problem(str(file), what)])
    if file.exists() and not force:
        what = "is there already; name another file, or replace it with --force"
        raise SpecError([Problem(str(file), what)])


def _fit(file: Path, data: Path, given: str | None) -> None:
    """Write the study of a table."""
    for thorough in (False, True):
        table = _look(data, given, thorough=thorough)
        target = _choose(data, table, given)
        if target.name not in table.names:
            _refuse(data, target.name)
        facts = _facts(file, data, table, target)
        try:
            is_large = data.stat().st_size > LARGE_BYTES
            make = functools.partial(starter, facts)
            found = _write(file, make, only_the_file=is_large)
        except DataError:
            # The first rows may have told too little: look at all of them.
            if thorough:
                raise
            continue
        _say_what_was_found(data, table, facts, target, found)
        return


def _choose(data: Path, table: Glance, given: str | None) -> Target:
    try:
        return choose_target(table, given)
    except DataError:
        # A table that cannot be read may look like one without a target.
        _refuse(data, table.names[-1])
        raise


def _look(data: Path, given: str | None, *, thorough: bool) -> Glance:
    wanted = {*TARGET_NAMES, (given or "").lower()}
    table = glance(data, str(data), wanted=wanted, thorough=thorough)
    if table is None:
        _refuse(data, given)
        raise DataError(f"{data}: cannot be read as a table")
    return table


def _refuse(data: Path, target: str | None) -> None:
    """Let what reads the data of a study say what is wrong with a table."""
    named = () if target is None else (target.strip(),)
    load(str(data.absolute()), target=named, home=Home(Path.cwd()))


def _facts(file: Path, data: Path, table: Glance, target: Target) -> Facts:
    roles = give_roles(table, target.name)
    answers = answers_of(table[target.name])
    return Facts(
        name=study_name(data.stem),
        file=str(file),
        source=_relative(data, file),
        n_rows=answers.n_rows,
        n_features=len(table.columns) - 1 - len(roles.drop),
        target=target.name,
        why_target=target.why,
        others=target.others,
        drop=roles.drop,
        dates=roles.dates,
        groups=roles.groups,
        task=answers.task,
        counts=answers.counts,
        positive=answers.positive,
    )


def _relative(data: Path, file: Path) -> str:
    try:
        found = os.path.relpath(data.absolute(), file.absolute().parent)
    except ValueError:
        # On another drive of Windows.
        found = str(data.absolute())
    return Path(found).as_posix()


def _write(
    file: Path, make: Callable[[], str], *, only_the_file: bool = False
) -> Dataset | None:
    """Write a study file, unless it cannot run; return its data, if they were read."""
    try:
        handle, name = tempfile.mkstemp(".yaml", f".{file.stem}-", file.parent)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise SpecError([Problem(str(file), what)]) from error
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(make())
        data = _check(draft, file, only_the_file=only_the_file)
        # A file for one's own eyes only is not what an editor would have made.
        draft.chmod(0o666 & ~_umask())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return data


def _check(draft: Path, file: Path, *, only_the_file: bool) -> Dataset | None:
    """Return the data of a study that can run, whose mistakes are those of ``file``."""
    try:
        spec = read_study(draft)
        return None if only_the_file else _prepared(spec)
    except SpecError as error:
        problems = [
            Problem(p.where.replace(str(draft), str(file)), p.what)
            for p in error.problems
        ]
        raise SpecError(problems) from error


def _prepared(spec: StudySpec) -> Dataset:
    # Imports what runs studies, which looking at a large table does without.
    from hpo.study.prepare import prepare

    return prepare(spec).data


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _say_what_was_found(
    data: Path, table: Glance, facts: Facts, target: Target, found: Dataset | None
) -> None:
    say(f"{data}: {table.n_rows:,} rows, {len(table.columns)} columns")
    for name, why in target.passed_over:
        say(f"not the target: {name!r}, which {why}")
    why = f" ({target.why}; another: --target NAME)" if target.why else ""
    classify = facts.task == "classification"
    what = f"{len(facts.counts)} classes" if classify else "a number"
    n_features = facts.n_features
    if found is not None:
        n_features = len(found.numeric) + len(found.categorical)
    say(f"target: {target.name!r}{why}, {what}; {n_features} features")
    dropped = [f"{name!r} ({why})" for name, why in facts.drop]
    more = [f"and {len(dropped) - MANY} more"] if len(dropped) > MANY else []
    if dropped:
        say("left out: " + ", ".join([*dropped[:MANY], *more]))
    for note in found.notes if found else ():
        say(f"note: {note}")
    if found is None:
        say(
            "a large table, of which some rows were looked at; hpo check reads them all"
        )


def _say_what_next(file: Path) -> None:
    shown = f"'{file}'" if " " in str(file) else str(file)
    say(f"next:  hpo check {shown}   to see what would run")
    say(f"       hpo run {shown}     to run it")
