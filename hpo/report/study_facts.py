"""What the report of a study is made of: everything of it, read from its store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpo.analysis.result import StudyResult
from hpo.analysis.stored import stored_result
from hpo.records import StudyRecord, StudyRows, Trial
from hpo.report.progress_page import stored_space
from hpo.report.tables import counted
from hpo.report.units import Units, units_of
from hpo.space import Space
from hpo.store import Store
from hpo.study.nested import NestedScore, nested_score


@dataclass(frozen=True, eq=False)
class StudyFacts:
    """A study, its trials, and what is concluded from them.

    Args:
        study: As it is stored.
        trials: Of its search that count, by number.
        result: What is concluded; None if no trial is complete.
        chosen: The trial to take, with its out-of-fold predictions.
        rows: What the study's rows are; None if that is not known.
        edits: From which trial on which study document held, oldest first; the first
            one is that of trial 0.
        nested: What the search scored in outer folds; None if there are none.
    """

    study: StudyRecord
    trials: tuple[Trial, ...]
    result: StudyResult | None
    chosen: Trial | None
    rows: StudyRows | None
    edits: Sequence[tuple[int, Mapping[str, Any]]]
    nested: NestedScore | None = None

    @property
    def units(self) -> Units:
        return units_of(self.study)

    @property
    def space(self) -> Space | None:
        """What is searched; None if it can no longer be read."""
        return stored_space(self.study)

    @property
    def finished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.finished]

    def with_texts(self, change: Callable[[str], str]) -> StudyFacts:
        """Return the same with all texts of the user's changed that may hold secrets.

        Args:
            change: Returns what is to be shown in place of a text.
        """

        def trial(one: Trial) -> Trial:
            error = None if one.error is None else change(one.error)
            return replace(one, params=_changed(one.params, change), error=error)

        study, result = self.study, self.result
        if result is not None:
            result = replace(
                result,
                chosen=trial(result.chosen),
                best=trial(result.best),
                defaults=trial(result.defaults) if result.defaults else None,
            )
        return replace(
            self,
            study=replace(
                study,
                document=_changed(study.document, change),
                text=change(study.text),
                reason=change(study.reason),
            ),
            trials=tuple(map(trial, self.trials)),
            result=result,
            chosen=trial(self.chosen) if self.chosen else None,
            edits=[(number, _changed(edit, change)) for number, edit in self.edits],
        )

    def trial(self, number: int) -> Trial | None:
        """Return the trial of this number, None if there is none that counts."""
        return next((trial for trial in self.trials if trial.number == number), None)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return a plain value with every text in it changed, but for keys."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _changed(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(inner, change) for inner in value]
    return value


def read_facts(store: Store, name: str) -> StudyFacts:
    """Read a study and conclude from it what can be.

    Raises:
        StudyNotFoundError: No study has this name.
        StoreError: The store cannot be read.
    """
    trials = store.trials(name)
    result = stored_result(store, name, trials)
    chosen = None
    if result is not None:
        numbers = [result.chosen.number]
        (chosen,) = store.trials(name, numbers=numbers, predictions=True)
    later = [(number, edit) for number, edit in store.changes(name) if number > 0]
    return StudyFacts(
        study=store.study(name),
        trials=tuple(counted(trials)),
        result=result,
        chosen=chosen,
        rows=store.rows(name),
        edits=[(0, store.origin(name)), *later],
        nested=nested_score(store, name),
    )
