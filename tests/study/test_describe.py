"""What `hpo check` counts: networks, trials and fits, and the time they would take."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hpo.errors import TrialError
from hpo.evaluation import Plan
from hpo.models import get_family
from hpo.records import Dataset, FoldResult
from hpo.spec import parse_study
from hpo.study import Prepared, prepare
from hpo.study.describe import classes_words, describe, folds_words
from hpo.study.estimate import estimate
from hpo.study.network import network_sizes
from hpo.study.run import study_record

N_ROWS = 60


def study(space: dict[str, Any], *, model="sklearn-mlp", **sections: Any) -> Prepared:
    """Two numbers and a text of three categories (one of them missing), two classes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=N_ROWS), "b": rng.normal(size=N_ROWS)})
    X["c"] = pd.Series(["x", "y", None] * (N_ROWS // 3), dtype=object)
    data = Dataset(
        X=X,
        y=np.arange(N_ROWS) % 2,
        task="classification",
        classes=np.array(["no", "yes"]),
        numeric=("a", "b"),
        categorical=("c",),
    )
    document = {"name": "s", "data": {"source": "t.csv"}, "model": model}
    spec = parse_study(document | {"space": space} | sections, folder=Path())
    rows = np.arange(N_ROWS)
    folds = tuple((rows[rows % 5 != k], rows[rows % 5 == k]) for k in range(5))
    family = get_family(model)
    return Prepared(
        spec=spec,
        data=data,
        n_test=0,
        fingerprint="",
        family=family,
        plan=Plan(model, data, folds, 0, "accuracy"),
        defaults=spec.space.defaults(family.defaults("classification")),
    )


def test_the_size_of_a_network_is_that_of_the_trained_one():
    prepared = study({"hidden_layers": 2, "units": 7, "epochs": 1})
    from hpo.evaluation import Evaluator, Pair

    (result,) = Evaluator(prepared.plan, prepared.family).run(
        (Pair(0, 0, prepared.defaults),)
    )
    found = network_sizes(prepared)
    assert found is not None
    # 2 numbers and 3 categories; two classes have one output.
    assert found.n_inputs == 5
    assert (
        found.default == (5 + 1) * 7 + (7 + 1) * 7 + (7 + 1) == result[1].n_parameters
    )


def test_the_smallest_and_the_largest_network_of_a_space_are_found():
    space = {
        "hidden_layers": {"int": [0, 3]},
        "units": {"int": [2, 50], "repeat": "hidden_layers"},
    }
    prepared = study(space)
    found = network_sizes(prepared)
    # No layer has 5 weights and a bias; a layer of 2 units has (5 + 1) * 2 + 3.
    assert found is not None
    assert found.smallest == 5 + 1
    assert found.largest == 6 * 50 + 2 * (51 * 50) + 51


def test_batch_norm_and_selected_features_count():
    space = {"units": 4, "batch_norm": True, "select_k": 3}
    found = network_sizes(study(space, model="keras-mlp"))
    assert found is not None
    # 3 inputs without a bias, 4 numbers a neuron, and the output.
    assert found.default == 3 * 4 + 4 * 4 + 5


def test_conditions_leave_only_the_default_network_known():
    space = {
        "activation": ["relu", "tanh"],
        "units": {"int": [2, 50], "when": {"activation": "relu"}},
    }
    found = network_sizes(study(space))
    assert found is not None
    assert (found.smallest, found.largest) == (None, None)


@pytest.mark.parametrize(
    ("search", "n_combinations", "n_trials"),
    [
        ({"strategy": "grid"}, 6, 6),
        ({"strategy": "grid", "trials": 4}, 6, 4),
        ({"strategy": "random", "trials": 4}, 6, 4),
        ({"strategy": "random", "trials": 40}, 6, 6),
        ({"strategy": "bayesian"}, 6, 6),
    ],
)
def test_fits_are_trials_times_folds_times_repeats(search, n_combinations, n_trials):
    space = {"units": [2, 3, 4], "activation": ["relu", "tanh"]}
    evaluation = {"folds": 5, "repeats": 3}
    facts = describe(study(space, search=search, evaluation=evaluation))
    assert facts["n_combinations"] == n_combinations
    assert facts["n_trials"] == n_trials
    assert facts["n_fits"] == n_trials * 15


def test_missing_values_are_counted_by_column():
    facts = describe(study({"units": 3}))
    assert facts["data"]["missing"] == {"c": N_ROWS // 3}


def test_many_classes_are_cut_to_what_fits():
    classes = [{"label": f"c{i}", "n_rows": 10, "share": 0.01} for i in range(100)]
    words = classes_words({"classes": classes})
    assert words.startswith("c0 10 (1.0 %), c1 10 (1.0 %), ")
    assert words.endswith(" more")
    assert len(words) <= 80


def test_every_kind_of_folds_is_worded():
    facts = {"folds": 4, "repeats": 1}
    assert folds_words(facts | {"split": "kfold"}) == "4 folds"
    assert folds_words(facts | {"split": "time"}) == "4 folds in order of time"
    assert folds_words({"folds": 4, "repeats": 2, "split": "group"}, 9) == (
        "4 folds of whole groups (9 groups), 2 times anew"
    )


class Clocked:
    """An engine whose tasks take as long as it is told, on a clock of its own."""

    kind, n_workers, capacity = "fake", 1, 1

    def __init__(
        self,
        clock: list[float],
        seconds: list[float],
        failure=None,
        hands_back: bool = False,
    ) -> None:
        self.clock, self.seconds, self.failure = clock, seconds, failure
        self.hands_back = hands_back
        self.groups: list[Any] = []

    def submit(self, task: Any, *, timeout: float | None = None) -> Future[Any]:
        self.groups.append(task)
        self.clock[0] += self.seconds.pop(0)
        done: Future[Any] = Future()
        error = "Boom: no luck" if self.failure else None
        done.set_result(
            [
                (0, FoldResult(pair.fold, failure=self.failure, error=error))
                for pair in task[: 1 if self.hands_back else None]
            ]
        )
        return done

    def close(self, *, wait_seconds: float = 0.0) -> None:
        self.groups.append("closed")


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    time = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("hpo.study.estimate.time", time)
    return now


def timed(prepared, clock, seconds, **options):
    engine = Clocked(clock, seconds, **options)
    try:
        return estimate(prepared, 4.0, make_engine=lambda _: engine), engine
    finally:
        assert engine.groups[-1] == "closed"


def test_what_is_done_once_is_told_apart_from_what_each_fold_costs(clock):
    search = {"strategy": "random", "trials": 10}
    prepared = study({"units": {"int": [2, 90]}}, search=search, engine={"jobs": 1})
    # Workers start in 3 s; the first fold takes 2 s, once it is prepared 0.5 s.
    made, engine = timed(prepared, clock, [3.0, 2.0, 0.5])
    assert [len(group) for group in engine.groups[:3]] == [0, 1, 1]
    assert (made.task_seconds, made.n_tasks, made.n_at_once) == (0.5, 50, 1)
    # Data 4 s, workers 3 s, preparing 5 folds 1.5 s each.
    assert made.once_seconds == pytest.approx(4 + 3 + 5 * 1.5)
    assert made.total_seconds == pytest.approx(14.5 + 50 * 0.5)


def test_folds_that_train_together_are_timed_together(clock):
    search = {"strategy": "random", "trials": 10}
    prepared = study({"units": {"int": [2, 90]}}, search=search, engine={"jobs": 1})
    family = SimpleNamespace(group_limit=40, whole_trials=False)
    made, engine = timed(replace(prepared, family=family), clock, [3.0, 2.0])
    assert [len(group) for group in engine.groups[:2]] == [0, 5]
    assert (made.n_together, made.n_tasks) == (5, 10)
    assert made.total_seconds == pytest.approx(4 + 3 + 10 * 2.0)


def test_folds_of_a_builder_are_timed_together_unless_they_are_handed_back(clock):
    search = {"strategy": "random", "trials": 10}
    prepared = study({"units": {"int": [2, 90]}}, search=search, engine={"jobs": 1})
    family = SimpleNamespace(group_limit=1, whole_trials=True)
    prepared = replace(prepared, family=family)
    made, engine = timed(prepared, clock, [3.0, 2.0])
    assert [len(group) for group in engine.groups[:2]] == [0, 5]
    assert (made.n_together, made.n_tasks) == (5, 10)
    made, engine = timed(prepared, clock, [3.0, 2.0, 0.5], hands_back=True)
    assert [len(group) for group in engine.groups[:3]] == [0, 5, 1]
    assert (made.n_together, made.n_tasks, made.task_seconds) == (1, 50, 0.5)


def test_a_timeout_bounds_the_estimate(clock):
    search = {"strategy": "random", "trials": 10, "timeout": "5s"}
    prepared = study({"units": {"int": [2, 90]}}, search=search, engine={"jobs": 1})
    made, _ = timed(prepared, clock, [3.0, 25.0])
    # A fold of 25 s is not trained twice.
    assert made.total_seconds == pytest.approx(4 + 3 + 5)


def test_a_fold_that_fails_is_no_estimate(clock):
    prepared = study({"units": 3})
    with pytest.raises(TrialError, match=r"default params \(nan\): Boom: no luck"):
        timed(prepared, clock, [1.0, 1.0, 1.0], failure="nan")


@pytest.mark.parametrize(
    ("model", "told", "stored"),
    [
        ("keras-mlp", "jax", "jax"),
        ("sklearn-mlp", None, "scikit-learn"),
        ("sklearn.neighbors.KNeighborsClassifier", None, "scikit-learn"),
    ],
)
def test_the_backend_is_told_where_there_is_one(model, told, stored):
    space = {"weights": "uniform"} if "." in model else {"epochs": 3}
    prepared = study(space, model=model, engine={"backend": told or "tensorflow"})
    facts = describe(prepared)
    assert facts["backend"] == told
    assert bool(facts["training"]) == (told is not None)
    assert study_record(prepared).backend == stored


def test_nobody_knows_what_an_objective_trains(tmp_path):
    (tmp_path / "mine.py").touch()
    document = {"name": "s", "model": "objective:mine:f", "space": {"x": [1, 2]}}
    facts = describe(prepare(parse_study(document, folder=tmp_path)))
    assert (facts["backend"], facts["training"]) == (None, None)
