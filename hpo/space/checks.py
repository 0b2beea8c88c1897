"""What makes sense as a range or as choices: `hpo.space.kinds` refuses the rest."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.space.values import brief, identity, is_number

MAX_CHOICES = 10_000
MAX_STEPS = 1_000_000
MAX_FLOAT = 1e300
"""A margin to the largest float, so that the width of any range is one."""
MAX_WHOLE = 2**53
"""The largest whole number that every library here takes for what it is."""


def check_range(hp: Any, *, whole: bool) -> None:
    """Refuse a range that makes no sense, naming every mistake in it.

    Args:
        hp: With ``low``, ``high``, ``log``, ``step`` and ``points``; its whole numbers
            are made `int`.
        whole: It is a range of whole numbers.

    Raises:
        SpecError: A bound, step or number of points makes no sense.
    """
    problems: list[Problem] = []
    kind = "a whole number" if whole else "a finite number"
    for name in ("low", "high", "step"):
        value = getattr(hp, name)
        optional = name == "step" and value is None
        if not optional and not (
            is_number(value) and (not whole or value == int(value))
        ):
            problems.append(Problem(name, f"expected {kind}; got {brief(value)}"))
    if not problems:
        problems = [Problem(*pair) for pair in _range_problems(hp, whole)]
    if problems:
        raise SpecError(problems)
    if whole:
        for name in ("low", "high", "step"):
            if getattr(hp, name) is not None:
                object.__setattr__(hp, name, int(getattr(hp, name)))


def _range_problems(hp: Any, whole: bool) -> Iterator[tuple[str, str]]:
    if whole and max(abs(hp.low), abs(hp.high)) > MAX_WHOLE:
        what = f"expected whole numbers up to 2**53 = {MAX_WHOLE}"
        yield "", f"{what}; {_got_both(hp)}"
        return
    if not whole and max(abs(hp.low), abs(hp.high)) > MAX_FLOAT:
        yield "", f"expected numbers up to {MAX_FLOAT}; {_got_both(hp)}"
        return
    if hp.low > hp.high:
        yield "", f"low must not be above high; got {hp.low} and {hp.high}"
    if hp.log and hp.low <= 0:
        yield "", f"low must be above 0 because log is true; got {hp.low}"
    if hp.log and hp.step is not None:
        yield "step", "log and step exclude each other; remove one"
    if hp.step is not None and hp.step <= 0:
        yield "step", f"expected a number above 0; got {hp.step}"
    elif hp.step is not None and hp.high - hp.low > MAX_STEPS * hp.step:
        yield "step", f"makes over a million values; got {brief(hp.step)}"
    elif hp.step is not None and hp.low < hp.high and not whole and _too_fine(hp):
        what = "is too small to tell numbers of this size apart"
        yield "step", f"{what}; got {brief(hp.step)}"
    if hp.points is not None and not (
        isinstance(hp.points, int)
        and not isinstance(hp.points, bool)
        and 1 <= hp.points <= MAX_CHOICES
    ):
        yield (
            "points",
            f"expected a whole number from 1 to {MAX_CHOICES}; got {brief(hp.points)}",
        )


def _got_both(hp: Any) -> str:
    return f"got {brief(hp.low)} and {brief(hp.high)}"


def _too_fine(hp: Any) -> bool:
    """Tell whether two values one step apart may be the same float."""
    greatest = float(max(abs(hp.low), abs(hp.high)))
    return bool(hp.step < 2 * math.ulp(greatest))


def check_choices(choices: tuple[Any, ...]) -> None:
    """Refuse choices that are none, too many, not plain, or given twice.

    Raises:
        SpecError: With every mistake found.
    """
    problems: list[Problem] = []
    if not choices:
        problems.append(Problem("", "expected at least one choice; got an empty list"))
    if len(choices) > MAX_CHOICES:
        got = f"got {len(choices)}"
        problems.append(Problem("", f"expected at most {MAX_CHOICES} choices; {got}"))
        raise SpecError(problems)
    seen: set[Hashable] = set()
    for index, choice in enumerate(choices):
        plain = choice is None or isinstance(choice, str | int | float | bool)
        if not plain or (isinstance(choice, float) and not math.isfinite(choice)):
            expected = "expected a number, a text, true, false or null"
            problems.append(Problem(f"[{index}]", f"{expected}; got {brief(choice)}"))
            continue
        key = identity(choice)
        if key in seen:
            problems.append(Problem(f"[{index}]", f"{brief(choice)} is listed twice"))
        seen.add(key)
    if problems:
        raise SpecError(problems)
