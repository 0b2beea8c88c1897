"""`hpo.run` and `hpo.load_study`: a study file from Python."""

from __future__ import annotations

import pytest

import hpo
from hpo.errors import SpecError, StoreError, StudyNotFoundError

STUDY = {
    "name": "iris",
    "data": {"source": "sklearn.iris"},
    "model": "sklearn.neighbors.KNeighborsClassifier",
    "space": {"n_neighbors": {"int": [1, 20]}},
    "search": {"trials": 4, "strategy": "random"},
    "evaluation": {"folds": 3},
}
FILE = """
name: iris
data: {source: sklearn.iris}
model: sklearn.neighbors.KNeighborsClassifier
space: {n_neighbors: {int: [1, 20]}}
search: {trials: 4, strategy: random}
evaluation: {folds: 3}
"""


@pytest.fixture
def where(tmp_path):
    store = f"sqlite:///{tmp_path / 'hpo.db'}"
    return {"store": store, "tracking": "none", "jobs": 1}


@pytest.mark.slow
def test_a_file_and_a_mapping_are_the_same_study(tmp_path, where):
    path = tmp_path / "iris.yaml"
    path.write_text(FILE)
    seen = []
    one = hpo.run(path, callbacks=[lambda s, t: seen.append(t.number)], **where)
    assert [t.state for t in one.trials] == ["complete"] * 4
    assert sorted(seen) == [0, 1, 2, 3]
    two = hpo.run(STUDY, name="again", **where)
    assert [(t.params, t.score) for t in one.trials] == [
        (t.params, t.score) for t in two.trials
    ]
    more = hpo.run(str(path), trials=6, **where)
    assert len(more.trials) == 6
    assert more.best_score == max(t.score for t in more.trials)
    loaded = hpo.load_study("iris", where["store"])
    assert loaded.best_params == more.best_params
    assert loaded.direction == "maximize"
    assert loaded.metric == "accuracy"


def test_mistakes_of_a_mapping_are_named(where):
    with pytest.raises(SpecError, match=r"search\.trails: unknown key"):
        hpo.run({**STUDY, "search": {"trails": 3}}, **where)


def test_a_study_that_is_not_there_is_named(tmp_path, where):
    with pytest.raises(StoreError, match="there is none here"):
        hpo.load_study("iris", where["store"])
    hpo.optimize(lambda p: 1.0, {"x": [1]}, name="other", store=where["store"])
    with pytest.raises(StudyNotFoundError, match="no study 'iris'"):
        hpo.load_study("iris", where["store"])


def test_the_store_is_never_mlflows_own(tmp_path):
    url = f"sqlite:///{tmp_path / 'one.db'}"
    with pytest.raises(SpecError, match="database of its own"):
        hpo.run(STUDY, store=url, tracking=url)
