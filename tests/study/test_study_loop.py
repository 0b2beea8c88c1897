"""The loop: the same trial table however the work was done, interrupted or lost."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes import ThreadEngine, score_group
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from stacked_family import StackedLinear

from hpo.engines.engine import TaskMemoryError, TaskTimeoutError, WorkerLostError
from hpo.errors import LeaseLostError, StoreError
from hpo.evaluation import Evaluator, Plan
from hpo.records import Dataset, FoldResult, StudyRecord, Trial
from hpo.search import make_strategy
from hpo.space import Float, Space
from hpo.store import Store
from hpo.study.groups import Schedule
from hpo.study.loop import Budget, StudyLoop
from hpo.study.progress import Progress
from hpo.study.racing import MedianRacing
from hpo.study.verdict import Verdict

N_FOLDS = 5
SPACE = Space(
    x=Float(0, 1, points=5),
    lr=Float(1e-4, 1, log=True, points=2),
    optimizer=["a", "b"],
    momentum=Float(0, 1, points=3, when={"optimizer": "a"}),
)


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    opened.create(
        StudyRecord(
            name="s",
            state="queued",
            document={},
            text="",
            folder="",
            fingerprint="",
            family="fake",
            strategy="",
            metric="accuracy",
            task="classification",
            n_folds=N_FOLDS,
            seed=0,
            engine="fake",
            backend="",
            created_at=datetime.now(UTC),
        )
    )
    yield opened
    opened.close()


def run(
    store,
    strategy="random",
    *,
    n_workers=2,
    group_limit=1,
    trials=22,
    patience=None,
    max_failures=10,
    score=score_group,
    engine=None,
    stop_after=None,
    observers=(),
    width=4,
    space=SPACE,
    timeout=None,
    group_matters=True,
    whole_trials=False,
):
    """Run the one study of ``store``; return why it ended and the loop."""
    chosen = make_strategy(strategy, space, seed=3, first=space.defaults({}))
    n_commits = itertools.count()
    stopper: list[Any] = []

    def stop(progress):
        if next(n_commits) == stop_after:
            stopper[0]()

    writer = store.own("s")
    loop = StudyLoop(
        strategy=chosen,
        schedule=Schedule(
            N_FOLDS,
            width,
            group_limit,
            lambda p: p.get("optimizer"),
            chosen.sees_scores,
            group_matters=group_matters,
            n_workers=n_workers,
            whole_trials=whole_trials,
        ),
        budget=Budget(trials, timeout),
        verdict=Verdict(patience, max_failures),
        make_engine=lambda: engine or ThreadEngine(score, n_workers, 0.003),
        writer=writer,
        trials=store.trials("s"),
        active_seconds=0.0,
        observers=[*observers, stop],
    )
    stopper.append(loop.request_stop)
    try:
        return loop.run(), loop
    finally:
        writer.release()


def table(store):
    """What must be equal: params, states and scores of the trials that count."""
    return [
        (
            t.number,
            tuple(t.params.items()),
            t.state,
            t.score,
            t.failure,
            *(fold.score for fold in t.folds),
        )
        for t in store.trials("s")
        if not t.beyond_stop
    ]


def new_store(tmp_path, label):
    folder = tmp_path / label
    folder.mkdir()
    return folder


@pytest.fixture
def stores(tmp_path):
    """Make more stores like ``store``."""
    made = []

    def make(label):
        folder = new_store(tmp_path, label)
        generator = store.__wrapped__(folder)
        made.append(generator)
        return next(generator)

    yield make
    for generator in made:
        next(generator, None)


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.parametrize("group_limit", [1, 5, 40])
@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian"])
def test_the_table_is_the_same_for_any_workers_and_any_interruptions(
    stores, strategy, group_limit, patience
):
    options = {"group_limit": group_limit, "patience": patience}
    tables, reasons = [], []
    for n_workers in (1, 2, 3):
        used = stores(f"workers-{n_workers}")
        reasons.append(run(used, strategy, n_workers=n_workers, **options)[0])
        tables.append(table(used))
    interrupted = stores("interrupted")
    for attempt in range(200):
        n_workers = attempt % 3 + 1
        reason, _ = run(
            interrupted, strategy, n_workers=n_workers, stop_after=1, **options
        )
        if reason != "interrupted":
            break
    tables.append(table(interrupted))
    reasons.append(reason)
    assert attempt > 0, "it was never interrupted"
    assert all(t == tables[0] for t in tables)
    assert len(set(reasons)) == 1
    assert patience or any(row[2] == "failed" for row in tables[0])
    if patience and strategy != "grid":
        assert reasons[0] == "no gain in 3 trials (patience)"
    elif not patience:
        assert len(tables[0]) == 22


def test_a_study_that_is_done_starts_no_engine(store):
    run(store, trials=3)

    class NoEngine:
        pass

    reason, _ = run(store, trials=3, engine=NoEngine())
    assert reason == "all 3 trials are done"


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(stores):
    at_once, in_two = stores("at-once"), stores("in-two")
    run(at_once, "bayesian", trials=14, group_limit=40)
    run(in_two, "bayesian", trials=6, group_limit=40)
    first = table(in_two)
    run(in_two, "bayesian", trials=14, group_limit=40)
    assert first == table(at_once)[:6]
    assert table(in_two) == table(at_once)


def test_groups_do_not_depend_on_the_budget(stores):
    """Trial 5's group is the same whether the study ends in mid-round or not."""
    makeups = []
    for trials in (6, 8):
        engine = ThreadEngine(score_group, 2)
        run(stores(f"{trials}"), trials=trials, group_limit=40, engine=engine)
        groups = [tuple((p.number, p.fold) for p in g) for g in engine.groups]
        makeups.append({g for g in groups if any(n < 6 for n, _ in g)})
    assert makeups[0] == makeups[1]


def test_more_patience_takes_back_the_trials_beyond_the_stop(stores):
    patient, impatient = stores("patient"), stores("impatient")
    run(patient, patience=30, n_workers=3)
    run(impatient, patience=2, n_workers=3)
    assert len(table(impatient)) < 22
    run(impatient, patience=30)
    assert table(impatient) == table(patient)


def test_too_many_failures_in_a_row_end_the_study_with_their_causes(store):
    def fail(group):
        return [
            (p.number, FoldResult(p.fold, failure="error", error="KeyError: 'x'"))
            for p in group
        ]

    reason, loop = run(store, score=fail, max_failures=3)
    assert reason == "3 trials failed in a row (3 x error: KeyError: 'x')"
    assert loop.failing
    assert len(table(store)) == 3


def test_a_failed_fold_spares_the_folds_above_it(store):
    engine = ThreadEngine(
        lambda g: [(p.number, FoldResult(p.fold, failure="nan")) for p in g], 1
    )
    run(store, trials=4, max_failures=99, engine=engine, width=1)
    trained = {(p.number, p.fold) for group in engine.groups for p in group}
    assert {(n, 0) for n in range(4)} <= trained
    # One worker with one group in the queue: at most fold 1 was begun as well.
    assert all(fold <= 2 for _, fold in trained)


class LossyEngine(ThreadEngine):
    """Loses, times out or starves groups as ``fate`` says, then trains them."""

    def __init__(self, fate, n_workers=1):
        super().__init__(score_group, n_workers)
        self._fate = fate

    def submit(self, task: Any, *, timeout: float | None = None) -> Future[Any]:
        error = self._fate(task, len(self.groups))
        self.groups.append(task)
        if error is None:
            return self._pool.submit(self._work, task, 0.0)
        future: Future[Any] = Future()
        future.set_exception(error)
        return future


@pytest.mark.parametrize("group_limit", [1, 40])
def test_a_lost_worker_costs_nothing_but_time(stores, group_limit):
    undisturbed, disturbed = stores("undisturbed"), stores("disturbed")
    run(undisturbed, trials=8, group_limit=group_limit)

    lost = set()

    def fate(group, n_before):
        pair = (group[0].number, group[0].fold)
        if pair in lost:
            return None
        lost.add(pair)
        return WorkerLostError("killed by signal 9")

    run(disturbed, trials=8, group_limit=group_limit, engine=LossyEngine(fate))
    assert table(disturbed) == table(undisturbed)


class LateLossEngine(ThreadEngine):
    """Loses the worker of fold 1 of trial 0, long after fold 0 has failed the trial."""

    def __init__(self):
        super().__init__(self._outcome, 2)
        self._late: Future[Any] = Future()

    @staticmethod
    def _outcome(group):
        (pair,) = group
        if pair.number == 0:
            return [(0, FoldResult(pair.fold, failure="error", error="Boom"))]
        return score_group(group)

    def submit(self, task: Any, *, timeout: float | None = None) -> Future[Any]:
        (pair,) = task
        if (pair.number, pair.fold) == (0, 1):
            return self._late
        if pair.number == 3 and not self._late.done():
            self._late.set_exception(WorkerLostError("killed by signal 9"))
        return super().submit(task, timeout=timeout)


def test_a_worker_that_is_lost_with_a_fold_of_a_failed_trial_costs_nothing(store):
    run(store, trials=8, max_failures=99, engine=LateLossEngine())
    trials = store.trials("s")
    assert len(trials) == 8
    assert all(trial.finished for trial in trials)
    assert (trials[0].state, trials[0].failure) == ("failed", "error")


def test_a_fold_that_loses_three_workers_fails_alone(store):
    def fate(group, n_before):
        guilty = any(p.number == 1 for p in group)
        return WorkerLostError("killed by signal 9") if guilty else None

    run(store, trials=4, group_limit=40, engine=LossyEngine(fate))
    trials = store.trials("s")
    assert trials[1].failure == "worker-lost"
    assert "killed by signal 9 (3 times)" in trials[1].error
    assert all(t.failure != "worker-lost" for t in trials if t.number != 1)


def test_lost_attempts_are_counted_across_restarts(store):
    def fate(group, n_before):
        return WorkerLostError("killed") if group[0].number == 1 else None

    for _ in range(3):
        engine = LossyEngine(fate)
        run(store, trials=2, engine=engine, stop_after=0)
    run(store, trials=2, engine=LossyEngine(fate))
    assert store.trials("s")[1].failure == "worker-lost"


def test_after_a_restart_too_the_last_attempt_is_of_a_trial_alone(store):
    def fate(group, n_before):
        return WorkerLostError("killed") if group[0].number == 0 else None

    for _ in range(2):
        run(store, trials=4, group_limit=40, engine=LossyEngine(fate), stop_after=1)

    def guilty(group, n_before):
        lost = any((p.number, p.fold) == (1, 2) for p in group)
        return WorkerLostError("killed") if lost else None

    writer = store.own("s")
    assert set(writer.lost_attempts().values()) == {2}
    writer.release()
    run(store, trials=4, group_limit=40, engine=LossyEngine(guilty))
    failed = [t.number for t in store.trials("s") if t.failure == "worker-lost"]
    assert failed == [1]


@pytest.mark.parametrize(
    "error", [TaskMemoryError("used 4 GB"), WorkerLostError("killed by signal 9")]
)
def test_folds_that_are_too_much_together_are_trained_one_by_one(stores, error):
    """However they were given out, and whatever noticed it."""
    undisturbed, disturbed = stores("undisturbed"), stores("disturbed")
    run(undisturbed, trials=4)

    def fate(group, n_before):
        return error if len(group) > 1 else None

    engine = LossyEngine(fate)
    options = {"whole_trials": True, "group_matters": False}
    run(disturbed, trials=4, engine=engine, **options)
    assert table(disturbed) == table(undisturbed)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TaskTimeoutError("ran for over 2 s"), "timeout"),
        (TaskMemoryError("used 4 GB"), "memory"),
        (ValueError("cannot be pickled"), "error"),
    ],
)
def test_only_the_guilty_trial_of_a_group_fails(store, error, kind):
    def fate(group, n_before):
        return error if any(p.number == 2 for p in group) else None

    if kind == "error":
        run(store, trials=4, engine=LossyEngine(fate))
    else:
        run(store, trials=4, group_limit=40, engine=LossyEngine(fate))
    assert [t.number for t in store.trials("s") if t.failure == kind] == [2]


def test_observers_see_only_what_is_stored(store):
    seen: list[Progress] = []

    def observe(progress):
        stored = {t.number: t for t in store.trials("s")}
        assert all(stored[t.number].score == t.score for t in progress.finished)
        seen.append(progress)

    run(store, trials=5, observers=[observe])
    assert seen[-1].n_finished == 5
    assert seen[-1].best.score == max(t.score or 0 for t in store.trials("s"))
    assert sum(len(p.finished) for p in seen) == 5


def test_a_timeout_finishes_what_has_begun_and_begins_nothing_more(store):
    def slow(group):
        threading.Event().wait(0.05)
        return score_group(group)

    reason, _ = run(store, trials=500, timeout=0.4, score=slow)
    trials = store.trials("s")
    assert reason.startswith("timeout after")
    assert 1 <= len(trials) < 100
    assert all(t.finished for t in trials)


def test_a_finite_space_ends_the_study(store):
    reason, _ = run(store, space=Space(x=[1, 2, 3]), trials=50)
    assert reason == "every combination in the space has been tried"
    assert sorted(t.params["x"] for t in store.trials("s")) == [1, 2, 3]


def test_a_lost_lease_stops_the_loop(store):
    def steal(progress):
        with store._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE leases SET token = token + 1")

    with pytest.raises(LeaseLostError, match="another process has taken the study"):
        run(store, observers=[steal])


def test_a_store_that_goes_away_stops_the_loop_and_a_later_run_goes_on(stores):
    whole, broken = stores("whole"), stores("broken")
    run(whole, trials=8)

    def fill(progress):
        if progress.n_folds_done > 7:
            # Any further page is refused, as on a full disk.
            with broken._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA max_page_count = 1")
            connection.close()

    with pytest.raises(StoreError, match=r"free some space"):
        run(broken, trials=8, observers=[fill], score=_bulky)
    broken._engine.dispose()
    run(broken, trials=8)
    assert table(broken) == table(whole)


def _bulky(group):
    return [
        (n, FoldResult(r.fold, r.score, r.train_score, failure=r.failure,
                       error=r.error and r.error, curves={"loss": [0.5] * 4000}))
        for n, r in score_group(group)
    ]  # fmt: skip


def test_a_family_that_trains_40_pairs_a_call_gives_the_same_table_everywhere(stores):
    X, y = load_iris(return_X_y=True, as_frame=True)
    data = Dataset(
        X.astype(float),
        y.to_numpy(),
        "classification",
        y.unique(),
        tuple(X.columns),
        (),
    )
    split = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    folds = tuple(split.split(X, y))
    plan = Plan("stacked-linear", data, folds, seed=0, metric="accuracy")
    space = Space(learning_rate=Float(0.01, 3, log=True), steps=[5, 20])
    tables = []
    for n_workers in (1, 2):
        family = StackedLinear()
        used = stores(f"stacked-{n_workers}")
        run(
            used,
            "bayesian",
            n_workers=n_workers,
            width=16,
            group_limit=family.group_limit,
            score=Evaluator(plan, family).run,
            space=space,
            trials=32,
        )
        tables.append(table(used))
        assert max(family.group_sizes) == 40
    assert tables[0] == tables[1]
    assert max(row[3] for row in tables[0]) > 0.8


def run_freely(store, *, n_workers=2, trials=22, **options):
    """Run a study whose groups may be made up in any way."""
    engine = ThreadEngine(score_group, n_workers, 0.003)
    reason, loop = run(
        store,
        trials=trials,
        group_limit=40,
        engine=engine,
        group_matters=False,
        n_workers=n_workers,
        **options,
    )
    return engine, reason, loop


@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian"])
def test_free_groups_give_the_same_table_however_they_are_made_up(stores, strategy):
    tables = []
    for n_workers in (1, 2, 3):
        used = stores(f"workers-{n_workers}")
        run_freely(used, strategy=strategy, n_workers=n_workers)
        tables.append(table(used))
    interrupted = stores("interrupted")
    for _ in range(200):
        if run_freely(interrupted, strategy=strategy, stop_after=1)[1] != "interrupted":
            break
    tables.append(table(interrupted))
    assert all(t == tables[0] for t in tables)
    whole = stores("whole")
    run(whole, strategy, group_limit=40)
    assert table(whole) == tables[0]


def test_free_groups_train_nothing_twice_and_nothing_beyond_the_budget(stores):
    used = stores("used")
    pairs = []
    for trials in (3, 11):
        engine, _, _ = run_freely(used, trials=trials)
        pairs += [(p.number, p.fold) for group in engine.groups for p in group]
    assert sorted(pairs) == [(n, f) for n in range(11) for f in range(N_FOLDS)]


def score_stacked(group):
    """Score the trials of one optimizer as a stack; hand back the others' folds.

    The scores of a stack tell its size, as the last bits of its weights may.
    """
    if group[0].params["optimizer"] == "a" and len(group) > 1:
        return [
            (number, replace(result, score=result.score and result.score + len(group)))
            for number, result in score_group(group)
        ]
    return score_group(group[:1])


@pytest.mark.parametrize("strategy", ["grid", "random"])
def test_folds_that_come_back_are_trained_one_by_one(stores, strategy):
    options = {"whole_trials": True, "score": score_stacked, "group_matters": False}
    tables = []
    for n_workers in (1, 3):
        used = stores(f"workers-{n_workers}")
        engine = ThreadEngine(score_stacked, n_workers, 0.003)
        run(used, strategy, n_workers=n_workers, engine=engine, **options)
        tables.append(table(used))
        submitted = [(group[0].number, len(group)) for group in engine.groups]
        for trial in used.trials("s"):
            sizes = [size for number, size in submitted if number == trial.number]
            assert sizes[0] == N_FOLDS
            if trial.params["optimizer"] == "a":
                assert sizes == [N_FOLDS]
            elif trial.state == "complete":
                assert sizes[1:] == [1] * (N_FOLDS - 1)
    interrupted = stores("interrupted")
    for attempt in range(200):
        n_workers = attempt % 3 + 1
        engine = ThreadEngine(score_stacked, n_workers, 0.003)
        known = {t.number: len(t.folds) for t in interrupted.trials("s")}
        reason, _ = run(interrupted, strategy, engine=engine, stop_after=1, **options)
        first = {}
        for group in engine.groups:
            first.setdefault(group[0].number, len(group))
        for number, size in first.items():
            # What has some folds was not a stack: only what it lacks is trained.
            assert size == (1 if known.get(number) else N_FOLDS)
        if reason != "interrupted":
            break
    assert tables[0] == tables[1] == table(interrupted)
    assert {t.params["optimizer"] for t in interrupted.trials("s")} == {"a", "b"}


def test_free_groups_of_one_key_are_shared_out_to_all_workers():
    def groups(n_workers, n_trials, sees_scores=False):
        schedule = Schedule(
            N_FOLDS,
            4,
            40,
            lambda params: 0,
            sees_scores,
            group_matters=False,
            n_workers=n_workers,
        )
        trials = [Trial(number, {}) for number in range(n_trials)]
        return [len(group) for group in schedule.groups(trials)]

    assert groups(1, 16) == [40, 40]
    assert groups(2, 4) == [10, 10]
    assert groups(4, 16) == [20, 20, 20, 20]
    # The folds of one trial stay together.
    assert groups(16, 4) == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 16),
        ({"width": 40}, 40),
        ({"group_matters": True}, 4),
        ({"sees_scores": True}, 4),
        ({"timed": True}, 4),
        ({"racing": MedianRacing(minimize=False)}, 4),
        ({"group_limit": 1}, 1),
    ],
)
def test_rounds_are_large_where_nothing_holds_them_back(options, expected):
    given = {"width": 4, "group_limit": 40, "sees_scores": False}
    given |= {"group_matters": False} | options
    schedule = Schedule(n_folds=N_FOLDS, program_key=lambda params: 0, **given)
    assert schedule.round_size == expected
