"""What the loop needs of whoever writes its trials, and two that are no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from hpo.records import FoldResult, Trial
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


class InMemory:
    """Keeps the trials of a study that no store knows, with their times.

    It is a `TrialWriter` and a reader at once, and lives as long as the process.
    """

    def __init__(self) -> None:
        self._trials: dict[int, Trial] = {}
        self._folds: dict[int, dict[int, FoldResult]] = {}

    def commit(self, changes: Changes) -> None:
        now = datetime.now(UTC)
        for trial in changes.started:
            self._trials[trial.number] = replace(trial, created_at=now)
            self._folds[trial.number] = {}
        for number, result in changes.folds:
            kept = replace(result, finished_at=now)
            self._folds[number][result.fold] = kept
        for trial in changes.finished:
            folds = self._folds.pop(trial.number)
            self._trials[trial.number] = replace(
                trial,
                folds=tuple(folds[fold.fold] for fold in trial.folds),
                created_at=self._trials[trial.number].created_at,
                finished_at=now,
            )
        for number, beyond in (changes.beyond_stop or {}).items():
            self._trials[number] = replace(self._trials[number], beyond_stop=beyond)
        for number in changes.dropped:
            del self._trials[number], self._folds[number]

    def beat(self) -> None:
        """Do nothing: nobody else can own it."""

    def lost_attempts(self) -> dict[tuple[int, int], int]:
        return {}

    @property
    def trials(self) -> list[Trial]:
        """All trials, by number, with the folds that are in."""
        return [
            replace(trial, folds=tuple(self._folds[number].values()))
            if number in self._folds
            else trial
            for number, trial in sorted(self._trials.items())
        ]
