"""What a report says of trials that failed: how many of which kind, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hpo.records import Trial
from hpo.report.elements import wordy_table
from hpo.report.look import written
from hpo.report.page import Part, paragraphs
from hpo.report.study_facts import StudyFacts
from hpo.study.verdict import last_line

MAX_CAUSES = 25
MAX_NUMBERS = 8
_RAISED = re.compile(r"[A-Za-z_][\w.]*(: .*)?$")
"""A line that names an exception: nothing stands before it."""


def failures_part(facts: StudyFacts) -> list[Part]:
    """Return the kinds of failures, and each distinct cause with its trials."""
    failed = [trial for trial in facts.finished if trial.state == "failed"]
    if not failed:
        return []
    kinds = Counter(written(trial.failure) for trial in failed)
    n = len(failed)
    what = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
    of = f"{len(facts.finished)} finished trials failed: {what}."
    causes = _causes(failed)
    notes = [f"{n} of {of}"]
    if len(causes) > MAX_CAUSES:
        notes.append(f"The {MAX_CAUSES} most frequent of {len(causes)} causes:")
    rows = [
        [kind, str(len(numbers)), _numbers(numbers), cause]
        for (kind, cause), numbers in causes[:MAX_CAUSES]
    ]
    head = ["kind", "trials", "which", "what happened"]
    return [Part("Failures", paragraphs(notes) + wordy_table(head, rows))]


def _causes(failed: Sequence[Trial]) -> list[tuple[tuple[str, str], list[int]]]:
    found: dict[tuple[str, str], list[int]] = {}
    for trial in failed:
        cause = written(informative_line(trial.error), 300)
        found.setdefault((written(trial.failure), cause), []).append(trial.number)
    return sorted(found.items(), key=lambda cause: (-len(cause[1]), cause[1]))


def informative_line(error: str | None) -> str:
    r"""Return the line of a traceback that names what was raised last.

    Example:
        >>> informative_line("Traceback:\n  File 'a'\nValueError: x is 3\n  [Op: y]\n")
        'ValueError: x is 3'
    """
    lines = (error or "").splitlines()
    inside = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[inside[-1] :] if inside else lines
    for line in after:
        if _RAISED.match(line):
            return line.strip()
    return last_line(error)


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:MAX_NUMBERS]))
    hidden = len(numbers) - MAX_NUMBERS
    return f"{shown} and {hidden} more" if hidden > 0 else shown
