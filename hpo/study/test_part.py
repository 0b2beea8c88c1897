"""The one place where the held-out rows of a study are scored, once, and noted down.

A score on rows that nothing was chosen by is honest only as long as nobody chooses by
it: every look is kept with its time, and what came after a look is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.errors import StudyError
from hpo.records import TestLook, Trial, TrialKind
from hpo.store import MANUAL, Store
from hpo.store.leases import BEATS_PER_LEASE
from hpo.store.writer import SEARCH
from hpo.study.heart import Heart
from hpo.study.prepare import Prepared
from hpo.study.refit import refit
from hpo.study.run import try_quietly


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
        StudyError: There is no test part, the model is an objective, or another trial
            was scored there already.
        StudyBusyError: Another process runs the study.
        TrialError: Training failed.
        EngineError: No worker can be started.
    """
    name, kind = prepared.spec.name, MANUAL if manual else SEARCH
    if (known := known_look(store, name, kind, trial, again=again)) is not None:
        return known
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
        raise StudyError(_refusal(name, looks[-1], trial))
    return None


def _refusal(name: str, look: TestLook, trial: Trial) -> str:
    return (
        f"the test part of study {name!r} has been looked at already: {_words(look)}. "
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
