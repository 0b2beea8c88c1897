"""The held-out rows: untouched until asked for, scored once, every look noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from refit_samples import prepared, searched

from hpo.errors import StudyBusyError, StudyError
from hpo.records import TestLook
from hpo.spec import parse_study
from hpo.store import Store
from hpo.study import StudyRun, prepare
from hpo.study.describe import describe
from hpo.study.nested import refuse_nesting
from hpo.study.stored import stored_study
from hpo.study.test_part import missing_classes, score_test, warning


@pytest.fixture
def iris(tmp_path):
    return searched(tmp_path)


def test_it_is_scored_once_and_the_second_call_gives_the_stored_look(iris, monkeypatch):
    study, store = iris
    first, second = store.trials("iris")
    assert store.test_looks("iris") == []
    look = score_test(study, store, first)
    assert (look.kind, look.number, look.n_trials) == ("search", 0, 2)
    assert look.looked_at is not None
    assert look.predictions.shape == (30, 3)
    assert look.score == (look.predictions.argmax(axis=1) == look.y).mean()

    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("hpo.study.test_part.refit", refuse)
    assert score_test(study, store, first).looked_at == look.looked_at
    with pytest.raises(StudyError) as caught:
        score_test(study, store, second)
    assert f"trial 0, {look.score:.4f}, after 2 trials" in str(caught.value)
    assert f"{look.looked_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)
    assert "costs credibility" in str(caught.value)
    assert len(store.test_looks("iris")) == 1
    with pytest.raises(AssertionError, match="trained again"):
        score_test(study, store, first, again=True)


def test_another_look_is_possible_and_both_are_kept(iris):
    study, store = iris
    first, second = store.trials("iris")
    score_test(study, store, first)
    score_test(study, store, second, again=True)
    looks = store.test_looks("iris")
    assert [look.number for look in looks] == [0, 1]
    said = warning(looks, 2)
    assert said is not None
    assert "has been looked at 2 times, first on" in said
    # Each of them is found again.
    assert score_test(study, store, first).looked_at == looks[0].looked_at


def test_it_cannot_be_scored_while_the_study_runs(iris):
    study, store = iris
    writer = store.own("iris")
    with pytest.raises(StudyBusyError):
        score_test(study, store, store.trials("iris")[0])
    writer.release()
    assert store.test_looks("iris") == []
    score_test(study, store, store.trials("iris")[0])
    store.own("iris").release()  # and the lease was given back


def test_a_study_without_test_part_says_so(tmp_path):
    study, store = searched(tmp_path, data__test_size=0.0)
    with pytest.raises(StudyError, match="has no test part"):
        score_test(study, store, store.trials("iris")[0])


def ordered(folder, labels, metric, n_test, nested=False):
    """Prepare a study of rows in time, the last of which are held out."""
    rng = np.random.default_rng(0)
    lines = [
        f"{i},{x:.3f},{label}"
        for i, (x, label) in enumerate(zip(rng.normal(size=200), labels, strict=True))
    ]
    (folder / "data.csv").write_text("\n".join(["day,x,y", *lines]))
    data = {"source": "data.csv", "target": "y", "order": "day"}
    return prepared(
        folder,
        data={**data, "test_size": n_test / 200},
        evaluation={
            "folds": 3,
            "split": "time",
            "metric": metric,
            "nested": nested,
        },
    )


@pytest.mark.parametrize("metric", ["roc_auc", "neg_log_loss"])
def test_a_test_part_of_one_class_is_refused_before_training(
    metric, tmp_path, monkeypatch
):
    study = ordered(tmp_path, ["x", "y"] * 80 + ["y"] * 40, metric, 40)
    store = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    StudyRun(study, store).execute()
    monkeypatch.setattr("hpo.study.test_part.refit", None)
    said = f"the 40 test rows are all of class 'y'; {metric} says nothing about them"
    with pytest.raises(StudyError, match=said) as caught:
        score_test(study, store, store.trials("iris")[0])
    assert "begin a new study with another data.test_size" in str(caught.value)
    assert [note for note in describe(study)["notes"] if said in note]
    store.own("iris").release()  # it was not taken


def test_a_test_part_without_a_class_is_refused_where_the_metric_needs_it(tmp_path):
    labels = ["a", "b", "c"] * 53 + ["c", "a", "b"] * 13 + ["a", "b"]
    assert missing_classes(ordered(tmp_path, labels, "roc_auc_ovr", 40)) is None
    labels = [*labels[:160], *["a", "b"] * 20]
    said = missing_classes(ordered(tmp_path, labels, "roc_auc_ovr", 40))
    assert said.startswith("of the 40 test rows none is of class 'c'; roc_auc_ovr says")
    assert missing_classes(ordered(tmp_path, labels, "accuracy", 40)) is None
    assert missing_classes(prepared(data__test_size=0.0)) is None


def test_an_outer_fold_of_one_class_is_refused_before_anything_runs(tmp_path):
    labels = ["x", "y"] * 66 + ["y"] * 38 + ["x", "y"] * 15
    study = ordered(tmp_path, labels, "roc_auc", 30, nested=4)
    assert missing_classes(study) is None
    with pytest.raises(StudyError, match=r"'iris outer \d': the \d+ test rows are all"):
        refuse_nesting(study)
    refuse_nesting(ordered(tmp_path, labels, "accuracy", 30, nested=4))


def look(number, n_trials):
    at = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
    nothing = np.empty(0)
    return TestLook("search", number, 0.91, {}, n_trials, nothing, nothing, at)


def test_one_look_at_the_end_needs_no_warning():
    assert warning([], 10) is None
    assert warning([look(3, 10)], 10) is None


def test_trials_after_a_look_are_flagged_and_counted():
    said = warning([look(3, 10)], 14)
    assert said is not None
    assert said.startswith("4 trials were finished after the first look")
    assert warning([look(3, 10)], 11).startswith("1 trial was finished")


def test_both_are_flagged_together():
    said = warning([look(3, 10), look(5, 12)], 12)
    assert "2 times, first on 2026-05-04 03:02 UTC, trial 3, 0.9100" in said
    assert "2 trials were finished after the first look" in said


def test_a_stored_study_is_prepared_as_its_file_was(iris):
    study, store = iris
    again = stored_study(store, "iris")
    assert again.spec == study.spec
    np.testing.assert_array_equal(again.test_rows, study.test_rows)
    np.testing.assert_array_equal(again.test.y, study.test.y)
    for mine, theirs in zip(again.plan.folds, study.plan.folds, strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])


def test_the_test_part_is_what_the_training_rows_leave_out(iris):
    study, _ = iris
    X, test = study.data.X.to_numpy(), study.test.X.to_numpy()
    np.testing.assert_array_equal(X[study.test_rows], test)
    assert len(test) + study.plan.data.n_rows == len(X)


def test_data_that_have_changed_are_refused(tmp_path):
    table = tmp_path / "data.csv"
    rng = np.random.default_rng(0)
    rows = [f"{a},{b},{'yes' if a > 0 else 'no'}" for a, b in rng.normal(size=(60, 2))]
    table.write_text("\n".join(["a,b,y", *rows]))
    _, store = searched(tmp_path, data={"source": "data.csv", "target": "y"})
    table.write_text("\n".join(["a,b,y", *rows[:-1]]))
    with pytest.raises(StudyError, match=r"content of data\.csv has changed since"):
        stored_study(store, "iris")


def test_studies_of_a_program_are_refused_with_the_way_out(tmp_path):
    import hpo

    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    hpo.optimize(
        lambda params: params["x"],
        {"x": [1, 2]},
        strategy="grid",
        name="mine",
        store=url,
    )
    with pytest.raises(StudyError, match="an objective gives a score and no model"):
        stored_study(Store(url), "mine")


def test_a_search_of_an_estimator_is_refused_with_the_way_out(tmp_path):
    from sklearn.datasets import load_iris
    from sklearn.naive_bayes import GaussianNB

    import hpo

    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    search = hpo.SearchCV(
        GaussianNB(),
        {"var_smoothing": [1e-9, 1e-3]},
        strategy="grid",
        name="cv",
        store=url,
    )
    search.fit(*load_iris(return_X_y=True))
    with pytest.raises(StudyError, match="is a search of SearchCV"):
        stored_study(Store(url), "cv")


def test_trials_that_finish_after_a_look_do_not_take_it_away(iris, tmp_path):
    study, store = iris
    score_test(study, store, store.trials("iris")[0])
    document = study.spec.to_document()
    document["search"]["trials"] = 3
    longer = prepare(parse_study(document, folder=tmp_path))
    assert StudyRun(longer, store).execute().state == "complete"
    looks = store.test_looks("iris")
    n_trials = sum(trial.finished for trial in store.trials("iris"))
    assert "1 trial was finished" in warning(looks, n_trials)


def test_a_manual_trial_is_told_from_one_of_the_search(iris):
    study, store = iris
    trial = store.trials("iris")[0]
    score_test(study, store, trial)
    with pytest.raises(StudyError, match="has been looked at already"):
        score_test(study, store, replace(trial), manual=True)


def test_what_is_prepared_by_hand_has_no_test_part_to_leak():
    study = prepared(data__test_size=0.0)
    assert study.test is None
