"""The one place where the held-out rows of a study are scored, once, and noted down.

A score on rows that nothing was chosen by is honest only as long as nobody chooses by
it: every look is kept with its time, and what came after a look is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.errors import StudyError
from hpo.evaluation.answers import Scorers
from hpo.records import Dataset, TestLook, Trial, TrialKind
from hpo.store import MANUAL, Store
from hpo.store.leases import BEATS_PER_LEASE
from hpo.store.writer import SEARCH
from hpo.study.heart import Heart
from hpo.study.prepare import Prepared
from hpo.study.refit import refit
from hpo.study.run import try_quietly
from hpo.user_code import OBJECTIVE, kind_of

MOST_SHOWN = 5
"""Of the classes that the test part lacks, not each is named."""


def score_test(
    prepared: Prepared,
    store: Store,
    trial: Trial,
    *,
    again: bool = False,
    manual: bool = False,
) -> TestLook:
    """Train a trial on all training rows and score it on the test part, once.

    A trial that was scored there already is not trained again: its stored look is
    returned.

    Args:
        prepared: The study.
        store: Where it is.
        trial: Complete, with its folds.
        again: Look although this trial, or another one, was scored there before.
        manual: Whether the trial is one of `hpo try`.

    Raises:
        StudyError: There is no test part, it lacks classes that the metric needs, the
            model is an objective, or another trial was scored there already.
        StudyBusyError: Another process runs the study.
        TrialError: Training failed.
        EngineError: No worker can be started.
    """
    name, kind = prepared.spec.name, MANUAL if manual else SEARCH
    if (known := known_look(store, name, kind, trial, again=again)) is not None:
        return known
    refuse_missing_classes(prepared)
    writer = store.own(name)
    heart = Heart(writer, store.lease_seconds / BEATS_PER_LEASE)
    heart.start()
    try:
        # Another process may have looked before this one had the lease.
        if (known := known_look(store, name, kind, trial, again=again)) is not None:
            return known
        n_trials = sum(each.finished for each in store.trials(name))
        made = refit(
            prepared, trial, None, manual=manual, with_test=True, n_trials=n_trials
        )
        assert made.look is not None
        heart.check()
        writer.add_test_look(made.look)
    finally:
        heart.stop()
        try_quietly(writer.release)
    return store.test_looks(name)[-1]


def refuse_missing_classes(prepared: Prepared) -> None:
    """Refuse a study whose test part its metrics can say nothing of.

    Raises:
        StudyError: It is one.
    """
    if what := missing_classes(prepared):
        raise StudyError(f"study {prepared.spec.name!r}: {what}")


def missing_classes(prepared: Prepared) -> str | None:
    """Say that a metric needs classes that the test part lacks; None if none does.

    A split by groups or in time can hold out rows of a single class.
    """
    plan, test = prepared.plan, _without_classes(prepared)
    if test is None:
        return None
    names = Scorers((plan.metric, *plan.metrics)).without_meaning(test)
    if not names:
        return None
    several = len(names) > 1
    return (
        f"{_class_words(test)}; {' and '.join(names)} {'say' if several else 'says'} "
        "nothing about them, so the test part cannot be scored; begin a new study with "
        "another data.test_size or split, or with a metric such as accuracy"
    )


def _without_classes(prepared: Prepared) -> Dataset | None:
    """Return the test part if it lacks a class, which is seen without copying it."""
    data, rows = prepared.data, prepared.test_rows
    if rows is None or data.task == "regression":
        return None
    if kind_of(prepared.spec.model) == OBJECTIVE:
        return None
    lacks = len(set(data.y[rows].tolist())) < data.n_classes
    return prepared.test if lacks else None


def _class_words(test: Dataset) -> str:
    assert test.classes is not None
    labels, there = test.classes.tolist(), sorted(set(test.y.tolist()))
    if len(there) == 1:
        return f"the {test.n_rows:,} test rows are all of class {labels[there[0]]!r}"
    absent = [repr(x) for code, x in enumerate(labels) if code not in there]
    shown = ", ".join(absent[:MOST_SHOWN])
    more = f" and {len(absent) - MOST_SHOWN} more" if len(absent) > MOST_SHOWN else ""
    which = "class" if len(absent) == 1 else "the classes"
    return f"of the {test.n_rows:,} test rows none is of {which} {shown}{more}"


def known_look(
    store: Store, name: str, kind: TrialKind, trial: Trial, *, again: bool
) -> TestLook | None:
    """Return the last look at this trial, unless it is to be looked at again.

    Args:
        store: Where the study is.
        name: Of the study.
        kind: Of the trial.
        trial: That is to be scored.
        again: Whether to look again.

    Raises:
        StudyError: Another trial was scored, and it is not said to look again.
    """
    if again:
        return None
    looks = store.test_looks(name)
    for look in reversed(looks):
        if (look.kind, look.number) == (kind, trial.number):
            return look
    if looks:
        raise StudyError(_refusal(name, looks, trial))
    return None


def _refusal(name: str, looks: Sequence[TestLook], trial: Trial) -> str:
    times = "already:" if len(looks) == 1 else f"{len(looks)} times, first"
    return (
        f"the test part of study {name!r} has been looked at {times} "
        f"{_words(looks[0])}. "
        f"Scoring trial {trial.number} there too costs credibility, as whoever looks "
        "several times can choose by what he saw; keep that score, or say that you "
        "want to look again (--again, or again=True), which is noted down"
    )


def warning(looks: Sequence[TestLook], n_trials: int) -> str | None:
    """Say in words what takes from the credibility of a test score, or None.

    Args:
        looks: All looks at the test part, oldest first.
        n_trials: How many trials of the search have finished by now.
    """
    said: list[str] = []
    if len(looks) > 1:
        said.append(
            f"the test part has been looked at {len(looks)} times, first "
            f"{_words(looks[0])}"
        )
    first = looks[0].n_trials if looks else n_trials
    later = max(n_trials, *(look.n_trials for look in looks), 0) - first
    if looks and later > 0:
        trials = "1 trial was" if later == 1 else f"{later} trials were"
        said.append(f"{trials} finished after the first look")
    if not said:
        return None
    return f"{'; '.join(said)}: what was chosen since may follow the test rows"


def _words(look: TestLook) -> str:
    at = f"on {look.looked_at:%Y-%m-%d %H:%M} UTC, " if look.looked_at else ""
    tried = "manual trial" if look.kind == MANUAL else "trial"
    return f"{at}{tried} {look.number}, {look.score:.4f}, after {look.n_trials} trials"
