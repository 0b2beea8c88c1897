"""Every exception this package raises on purpose, and how its messages are worded.

* HpoError
  * SpecError           the study file or a space is wrong; raised before anything runs
  * DataError           the data cannot be read, split or scored as the study asks
  * TrialError          one fold has no score; its trial fails and the study goes on
  * StudyError          a stored study forbids what was asked of it
    * StudyNotFoundError  no study has this name
    * StudyBusyError    another process runs the study
  * StoreError          the database cannot be opened, read or written
    * LeaseLostError    another process owns the study now; stop at once
    * MirrorTakenError  another process sends the study to MLflow now; stop sending
  * EngineError         the workers cannot be started, or keep dying
  * TrackingError       MLflow does not answer, or refuses what it is sent
  * ExportError         an exported model cannot be written, read or used

A message gives the place, what was expected, what was got and the way out. Anything
else that escapes is a bug, and ``except HpoError`` does not hide it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

MAX_COMPARED = 300
"""A near match is looked for among so many names at most: it takes time."""
MAX_PAIRS = 300_000
"""Pairs of letters, one of the value and one of a name, that may be compared."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is (a dotted path) and what is wrong there."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class HpoError(Exception):
    """Base of every error a caller may want to catch."""


class SpecError(HpoError):
    """A study file or a space is wrong; all mistakes are reported together.

    Args:
        problems: At least one mistake, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return SpecError, (self.problems,)


class DataError(HpoError):
    """The data cannot be read, split or scored as the study asks."""


class TrialError(HpoError):
    """One fold could not be scored; its trial is stored as failed.

    Args:
        kind: One of `hpo.records.FAILURE_KINDS`.
        message: What happened, for the user.

    Attributes:
        engine: What was training it; see `hpo.records.FoldResult`. Empty if nothing
            was, or that is not known.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.engine = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return TrialError, (self.kind, str(self))


class StudyError(HpoError):
    """A stored study forbids what was asked of it."""


class StudyNotFoundError(StudyError):
    """No study of this name is in the store."""


class StudyBusyError(StudyError):
    """Another process holds the lease of the study."""


class StoreError(HpoError):
    """The database cannot be opened, read or written."""


class LeaseLostError(StoreError):
    """Another process took the study over; nothing more may be written."""


class MirrorTakenError(StoreError):
    """Another process sends the study to MLflow; the study itself is not concerned."""


class EngineError(HpoError):
    """The engine cannot run tasks any more."""


class TrackingError(HpoError):
    """MLflow does not answer or refuses; the store has it all, so nothing is lost."""


class ExportError(HpoError):
    """An exported model cannot be written, read or used on the rows it was given."""


def near_match(value: object, choices: Collection[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of ``choices``, or ``""``."""
    text = str(value)[:80]
    if len(choices) > MAX_COMPARED or len(text) * sum(map(len, choices)) > MAX_PAIRS:
        return ""
    near = difflib.get_close_matches(text, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_of(value: object, choices: Collection[str]) -> str:
    """Word the refusal of ``value``, which is not one of ``choices``."""
    expected = ", ".join(str(choice) for choice in choices)
    return f"expected one of {expected}; got {value!r}{near_match(value, choices)}"
