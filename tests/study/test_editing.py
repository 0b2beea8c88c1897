"""Which keys of a stored study's file may change, one by one, and how that is shown."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hpo.errors import StudyError
from hpo.records import StudyRecord
from hpo.spec import parse_study
from hpo.study.editing import edits

BASE: dict[str, Any] = {
    "name": "s",
    "data": {"source": "table.csv", "target": "label"},
    "model": "sklearn-mlp",
    "space": {
        "units": {"int": [16, 256], "log": True},
        "optimizer": ["adam", "sgd"],
        "momentum": {"float": [0.0, 0.99], "when": {"optimizer": "sgd"}},
        "epochs": 5,
    },
    "search": {"strategy": "random", "trials": 5},
    "evaluation": {"folds": 3},
}
ABSENT = object()


def study(changes: dict[str, Any]) -> Any:
    """The base with other values at dotted paths."""
    document = copy.deepcopy(BASE)
    for path, value in changes.items():
        section, _, key = path.rpartition(".")
        inside = document.setdefault(section, {}) if section else document
        if value is ABSENT:
            del inside[key]
        else:
            inside[key] = value
    return parse_study(document, folder=Path())


def stored(changes: dict[str, Any] | None = None) -> StudyRecord:
    spec = study(changes or {})
    return StudyRecord(
        name=spec.name,
        state="complete",
        document=spec.to_document(),
        text="",
        folder="",
        fingerprint="same",
        family=spec.model,
        strategy=spec.search.strategy,
        metric=spec.evaluation.metric or "accuracy",
        task="classification",
        n_folds=3,
        seed=0,
        engine="local",
        backend="",
        created_at=datetime.now(UTC),
    )


def changed(changes: dict[str, Any], fingerprint: str = "same") -> list[Any]:
    return edits(stored(), study(changes), fingerprint)


def test_the_same_file_has_no_changes():
    assert changed({}) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("search.trials", 9),
        ("search.trials", ABSENT),
        ("search.timeout", "1h"),
        ("search.patience", 3),
        ("search.width", 8),
        ("search.max_failures", 2),
        ("search.strategy", "bayesian"),
        ("evaluation.fold_timeout", "5m"),
        ("engine.jobs", 7),
        ("space.units", {"int": [8, 512], "log": True}),
        ("space.units", 64),
        ("space.units", ABSENT),
        ("space.activation", ["relu", "tanh"]),
        ("space.momentum", {"float": [0.0, 0.5], "when": {"optimizer": "sgd"}}),
        ("space.epochs", 6),
    ],
)
def test_budgets_and_the_space_may_change(path, value):
    assert [change[0] for change in changed({path: value})] == [path]
    with pytest.raises(StudyError, match=r"the content of table\.csv has changed"):
        changed({path: value}, "other")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.source", "other.csv"),
        ("data.source", {"sklearn.moons": {"noise": 0.1}}),
        ("data.target", ABSENT),
        ("data.features", ["a", "b"]),
        ("data.drop", ["c"]),
        ("task", "classification"),
    ],
)
def test_the_same_data_may_be_named_otherwise_and_other_data_may_not(path, value):
    assert [change[0] for change in changed({path: value})] == [path]
    with pytest.raises(StudyError, match="begun with another data set"):
        changed({path: value}, "other")


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("data.test_size", 0.3, r"data\.test_size +0\.2 +0\.3"),
        ("data.group", "station", r"data\.group +not set +station"),
        ("data.order", "day", r"data\.order +not set +day"),
        ("model", "keras-mlp", r"model +sklearn-mlp +keras-mlp"),
        ("search.seed", 1, r"search\.seed +0 +1"),
        ("search.defaults_first", False, r"search\.defaults_first +true +false"),
        ("evaluation.folds", 4, r"evaluation\.folds +3 +4"),
        ("evaluation.repeats", 2, r"evaluation\.repeats +1 +2"),
        ("evaluation.split", "kfold", r"evaluation\.split +not set +kfold"),
        ("evaluation.metric", "f1_macro", r"evaluation\.metric +not set +f1_macro"),
        ("evaluation.metrics", ["f1_macro"], r"evaluation\.metrics +none +f1_macro"),
        ("engine.threads", 2, r"engine\.threads +1 +2"),
    ],
)
def test_what_makes_scores_incomparable_may_not_change(path, value, shown):
    with pytest.raises(StudyError, match=rf"key +was +is\n(.*\n)*  {shown}\n"):
        changed({path: value})


def test_a_study_stays_with_its_backend():
    with_keras = {"model": "keras-mlp", "space": {"epochs": 3}}
    on_jax = with_keras | {"engine.backend": "jax"}
    old, new = stored(with_keras), study(on_jax)
    with pytest.raises(StudyError, match=r"begun with another backend") as caught:
        edits(old, new, "same")
    assert re.search(r"engine\.backend +tensorflow +jax\n", str(caught.value))
    assert "--name NEW" in str(caught.value)
    with pytest.raises(StudyError, match=r"engine\.backend +jax +tensorflow\n"):
        edits(stored(on_jax), study(with_keras), "same")
    assert edits(stored(on_jax), study(on_jax), "same") == []


@pytest.mark.parametrize(
    ("path", "value"),
    [("evaluation.metric", "accuracy"), ("evaluation.split", "stratified")],
)
def test_writing_a_default_out_changes_nothing(path, value):
    assert [change[0] for change in changed({path: value})] == [path]
    assert edits(stored({path: value}), study({}), "same")


def test_every_key_is_either_allowed_or_refused_by_a_test_here():
    tested = {"name", "select", "racing", "nested", "kind", "backend", "space"}
    for test in (
        test_budgets_and_the_space_may_change,
        test_the_same_data_may_be_named_otherwise_and_other_data_may_not,
        test_what_makes_scores_incomparable_may_not_change,
    ):
        for values in test.pytestmark[0].args[1]:
            tested.add(values[0].rpartition(".")[2])
    keys = {
        key
        for name, section in study({}).to_document().items()
        for key in (section if isinstance(section, dict) else [name])
        if name != "space"
    }
    assert keys - tested == set()


def test_the_order_of_hyperparameters_is_part_of_the_space():
    turned = dict(reversed(BASE["space"].items()))
    assert [change[0] for change in changed({"space": turned})] == ["space"]


def test_a_hyperparameter_is_one_change_with_all_of_it():
    new = {"int": [8, 512], "log": True, "points": 4}
    ((path, old, now),) = changed({"space.units": new})
    assert (path, old, now) == ("space.units", BASE["space"]["units"], new)


def test_a_refusal_names_the_ways_out():
    with pytest.raises(StudyError) as error:
        changed({"evaluation.folds": 4, "search.seed": 3, "search.trials": 50})
    assert str(error.value).splitlines() == [
        "study 's' was begun with another seed, folds, so its trials could not be "
        "compared:",
        "  key               was  is",
        "  search.seed       0    3",
        "  evaluation.folds  3    4",
        "Undo the change, begin a new study with `hpo run FILE --name NEW`, or remove "
        "this one with `hpo delete s`.",
    ]
