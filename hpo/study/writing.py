"""What the loop needs of whoever writes its trials, and a writer of a manual one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from hpo.records import Trial
from hpo.store import Changes, StudyWriter


class TrialWriter(Protocol):
    """Writes the trials of one study under its lease; see `hpo.store.StudyWriter`."""

    def commit(self, changes: Changes) -> None: ...

    def beat(self) -> None: ...

    def lost_attempts(self) -> dict[tuple[int, int], int]: ...


class OneTrial:
    """Writes one stored trial for a loop that knows no other, and calls it 0.

    It leaves the study's running time alone, which is the search's.

    Args:
        writer: Of the study's manual trials.
        number: The trial's among those.
    """

    def __init__(self, writer: StudyWriter, number: int) -> None:
        self._writer, self._number = writer, number

    def commit(self, changes: Changes) -> None:
        number = self._number
        self._writer.commit(
            Changes(
                started=self._renumbered(changes.started),
                folds=[(number, result) for _, result in changes.folds],
                finished=self._renumbered(changes.finished),
                lost=[(number, fold, reason) for _, fold, reason in changes.lost],
            )
        )

    def _renumbered(self, trials: Sequence[Trial]) -> list[Trial]:
        return [replace(trial, number=self._number) for trial in trials]

    def beat(self) -> None:
        self._writer.beat()

    def lost_attempts(self) -> dict[tuple[int, int], int]:
        stored = self._writer.lost_attempts()
        return {
            (0, fold): count
            for (number, fold), count in stored.items()
            if number == self._number
        }
