"""The tables of a comparison as texts, for a terminal and for a page alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.report.comparing import Comparison
from hpo.report.course import Course
from hpo.report.groups import Group, cost_text
from hpo.report.look import score_text


@dataclass(frozen=True)
class TextTable:
    """A table of plain texts; the first column is text, the numbers lie right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str]


def tables(comparison: Comparison) -> list[TextTable]:
    """Return what was found at the end, and what was found on the way."""
    ends = _strategies if comparison.of_strategies else _studies
    return [ends(comparison), _on_the_way(comparison)]


def _studies(comparison: Comparison) -> TextTable:
    right = ("trials", comparison.metric, "std", "seconds")
    rows = [_study(group.courses[0]) for group in comparison.groups]
    columns = ("study", "strategy", "model", "trials", comparison.metric, *right[2:])
    return TextTable(columns, rows, right)


def _study(one: Course) -> list[str]:
    return [
        one.name,
        one.strategy,
        one.family,
        str(one.n_trials),
        _score(one.best),
        _score(one.std),
        _seconds(one.total_seconds),
    ]


def _strategies(comparison: Comparison) -> TextTable:
    right = ("searches", "trials", "median best", "range", "wins", "seconds")
    rows = []
    for group in comparison.groups:
        best = group.scores(lambda c: c.best)
        total = group.costs(lambda c: c.total_seconds)
        rows.append(
            [
                group.label,
                str(len(group.courses)),
                str(group.n_trials),
                _score(best.middle),
                f"{_score(best.low)} to {_score(best.high)}",
                str(comparison.wins[group.label]),
                _seconds(total.middle),
            ]
        )
    return TextTable(("strategy", *right), rows, right)


def _on_the_way(comparison: Comparison) -> TextTable:
    marks = comparison.checkpoints
    after = [f"after {n}" for n in marks]
    right = after
    if comparison.to_reach is not None:
        goal = score_text(comparison.to_reach)
        right = [*after, f"trials to {goal}", f"seconds to {goal}"]
    rows = [[g.label, *_way(g, marks, comparison.to_reach)] for g in comparison.groups]
    head = "strategy" if comparison.of_strategies else "study"
    return TextTable((head, *right), rows, right)


def _way(group: Group, marks: Sequence[int], goal: float | None) -> list[str]:
    cells = [_score(group.scores(lambda c, n=n: c.after(n)).middle) for n in marks]  # type: ignore[misc]
    if goal is None:
        return cells
    seconds = cost_text(group.seconds_to(goal), digits=1) if group.timed else "-"
    return [*cells, cost_text(group.trials_to(goal)), seconds]


def _score(value: float | None) -> str:
    return "-" if value is None else score_text(value)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
