"""Nested cross-validation: the whole search once more in every outer fold.

The mean over outer folds says what a search like this one reaches on rows that it has
not seen, its choosing included. Each outer fold is an ordinary study of its own, whose
test part is that fold: it stops, goes on and is looked at like any other.

Source:
    Varma and Simon (2006), Bias in error estimation when using cross-validation for
    model selection; Cawley and Talbot (2010), On over-fitting in model selection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

from hpo.errors import Problem, SpecError, StudyError, StudyNotFoundError
from hpo.records import StudyRecord, TestLook, Trial, mean
from hpo.spec import StudySpec, differences
from hpo.store import Store
from hpo.study.prepare import Prepared, assemble
from hpo.study.progress import Observer
from hpo.study.run import StudyRun
from hpo.study.test_part import refuse_missing_classes, score_test
from hpo.user_code import OBJECTIVE, kind_of

Choose: TypeAlias = Callable[[Sequence[Trial]], Trial | None]
"""Returns the trial to take; None if none is complete."""

Watch: TypeAlias = Callable[[Prepared], AbstractContextManager[Sequence[Observer]]]
"""Is entered while an outer study runs; gives its observers."""

MAX_NAME = 200


@dataclass(frozen=True)
class NestedScore:
    """What a search reaches on rows that it has not seen.

    Args:
        mean: Of the outer folds' scores.
        std: Between outer folds, with ddof 0 as that of a trial's folds.
        scores: Of the trial chosen in each outer fold, on that fold.
        studies: Their names, in the order of the outer folds.
    """

    mean: float
    std: float
    scores: tuple[float, ...]
    studies: tuple[str, ...]

    @classmethod
    def of(cls, scores: Sequence[float], studies: Sequence[str]) -> NestedScore:
        """Return the summary of outer folds that have all been scored."""
        middle = mean(scores)
        std = math.sqrt(mean([(score - middle) ** 2 for score in scores]))
        return cls(middle, std, tuple(scores), tuple(studies))


def outer_name(name: str, fold: int) -> str:
    """Return the name of the study of an outer fold, counted from 0.

    Example:
        >>> outer_name("digits", 0)
        'digits outer 1'
    """
    return f"{name} outer {fold + 1}"


def outer_study(prepared: Prepared, fold: int) -> Prepared:
    """Return the study of an outer fold: the same search, on fewer rows.

    Args:
        prepared: The nested study.
        fold: From 0.

    Raises:
        DataError: The rows of an outer fold cannot be split.
    """
    spec = prepared.spec
    evaluation = spec.evaluation.model_copy(
        update={"nested": False, "outer": f"{fold + 1}/{_n_outer(spec)}"}
    )
    name = outer_name(spec.name, fold)
    outer = spec.model_copy(update={"name": name, "evaluation": evaluation})
    return assemble(outer, prepared.data, prepared.family, prepared.plan.home)


def refuse_nesting(prepared: Prepared) -> None:
    """Refuse a study whose search cannot be run in outer folds.

    Raises:
        SpecError: The study cannot be nested.
        DataError: The rows of an outer fold cannot be split.
        StudyError: An outer fold lacks classes that the metric needs.
    """
    spec = prepared.spec
    what = None
    if kind_of(spec.model) == OBJECTIVE:
        what = "expected false, as an objective gives no model to score on a fold"
    elif spec.evaluation.outer is not None:
        what = "expected false, as this is the study of an outer fold already"
    elif len(outer_name(spec.name, _n_outer(spec) - 1)) > MAX_NAME:
        what = f"expected a name short enough to add {' outer 1'!r} to"
    if what is not None:
        raise SpecError([Problem("evaluation.nested", what)])
    for fold in range(_n_outer(spec)):
        # Whether its rows can be split, and what is chosen on them be scored.
        refuse_missing_classes(outer_study(prepared, fold))


class NestedRun:
    """Runs the studies of all outer folds, one after the other, and scores them.

    What is done already is not done again, so that a run that was stopped goes on.

    Args:
        prepared: The study, with `nested`.
        store: Where the outer studies are, or will be.
        choose: Takes a trial as the study does.
        watch: Entered around each outer study; gives its observers.

    Raises:
        SpecError: The study cannot be nested.
        DataError: The rows of an outer fold cannot be split.
        StudyError: An outer fold lacks classes that the metric needs.
    """

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        choose: Choose,
        *,
        watch: Watch = lambda prepared: nullcontext(()),
    ) -> None:
        self._prepared, self._store = prepared, store
        self._choose, self._watch = choose, watch
        self.n_folds = _n_outer(prepared.spec)
        self._running: StudyRun | None = None
        self._is_stopped = False
        refuse_nesting(prepared)

    def request_stop(self) -> None:
        """Ask for a graceful stop; safe to call from a signal handler."""
        self._is_stopped = True
        if self._running is not None:
            self._running.request_stop()

    def execute(self) -> NestedScore | None:
        """Run what is missing; return None if it was stopped before its end.

        Raises:
            StudyError: An outer study has no successful trial, or was begun with
                something that must not change.
            StudyBusyError: Another process runs an outer study.
            TrialError: The chosen trial of an outer study could not be refitted.
            LeaseLostError: Another process took an outer study over.
            StoreError: The store went away; what was committed is kept.
            EngineError: No worker can be started.
        """
        scores: list[float] = []
        for fold in range(self.n_folds):
            outer = outer_study(self._prepared, fold)
            if self._is_stopped or not self._search(outer) or self._is_stopped:
                return None
            scores.append(self._score(outer).score)
        names = [outer_name(self._prepared.spec.name, f) for f in range(self.n_folds)]
        return NestedScore.of(scores, names)

    def _search(self, outer: Prepared) -> bool:
        """Run an outer study; return False if it was interrupted."""
        with self._watch(outer) as observers:
            self._running = StudyRun(outer, self._store, observers=observers)
            if self._is_stopped:  # asked for while the study was made
                self._running.request_stop()
            try:
                return self._running.execute().state != "interrupted"
            finally:
                self._running = None

    def _score(self, outer: Prepared) -> TestLook:
        """Score the chosen trial of an outer study, once."""
        name = outer.spec.name
        trial = self._choose(self._store.trials(name))
        if trial is None:
            raise StudyError(
                f"study {name!r} has no successful trial, so there is no nested "
                f"estimate; hpo trials '{name}' shows what was in the way"
            )
        looks = self._store.test_looks(name)
        # A search that has gone on since may choose another trial: its outer fold is
        # there to judge what the search as a whole comes to.
        is_other = bool(looks) and not _is_of(looks[-1], trial)
        return score_test(outer, self._store, trial, again=is_other)


def nested_score(store: Store, name: str) -> NestedScore | None:
    """Return the nested estimate of a study from what is stored.

    Args:
        store: Where the studies are.
        name: Of the nested study.

    Returns:
        None if the study is not nested, or not all of its outer studies have ended and
        been scored as the study is now.

    Raises:
        StudyNotFoundError: No study has this name.
    """
    study = store.study(name)
    n_folds = (study.document.get("evaluation") or {}).get("nested") or 0
    scores: list[float] = []
    for fold in range(n_folds):
        look = _outer_look(store, study, fold, n_folds)
        if look is None:
            return None
        scores.append(look.score)
    if not scores:
        return None
    return NestedScore.of(scores, [outer_name(name, fold) for fold in range(n_folds)])


def _outer_look(
    store: Store, study: StudyRecord, fold: int, n_folds: int
) -> TestLook | None:
    name = outer_name(study.name, fold)
    try:
        outer = store.study(name)
    except StudyNotFoundError:
        return None
    expected = _outer_document(study.document, name, f"{fold + 1}/{n_folds}")
    found = [path for path, _, _ in differences(expected, outer.document)]
    if outer.state != "complete" or any(path != "engine.jobs" for path in found):
        return None
    looks = store.test_looks(name)
    return looks[-1] if looks else None


def _outer_document(
    document: Mapping[str, Any], name: str, outer: str
) -> dict[str, Any]:
    evaluation = {**document["evaluation"], "nested": False, "outer": outer}
    return {**document, "name": name, "evaluation": evaluation}


def _n_outer(spec: StudySpec) -> int:
    return int(spec.evaluation.nested)


def _is_of(look: TestLook, trial: Trial) -> bool:
    return look.kind == "search" and look.number == trial.number
