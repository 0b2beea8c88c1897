"""All that is concluded from a study, put together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from analysis_samples import (
    guessing_trials,
    make_record,
    make_rows,
    no_predictions,
    reader,
    scored_trial,
)

import hpo
from hpo.analysis.comparing import difference
from hpo.analysis.corrected import corrected_score
from hpo.analysis.result import Gain, study_result
from hpo.records import TestLook, Trial
from hpo.store import Store


def sample(accuracies=(0.6, 0.8, 0.7, 0.75)):
    random = np.random.default_rng(0)
    rows = make_rows(random.integers(2, size=300), 5)
    return rows, guessing_trials(rows, accuracies, random)


def test_the_result_of_a_study_is_put_together():
    rows, trials = sample()
    look = TestLook("search", 1, 0.8, {}, 4, np.zeros(2), np.zeros(2))
    result = study_result(
        make_record(),
        trials,
        rows=rows,
        predicted=reader(trials),
        defaults=trials[0],
        looks=[look],
        n_rivals=2,
    )
    assert result.chosen.number == result.best.number == 1
    assert result.rule == "mean"
    scores = [fold.score for fold in result.best.folds]
    error = np.std(scores, ddof=1) / np.sqrt(5)
    assert result.standard_error == pytest.approx(error)
    assert (
        result.corrected
        == corrected_score(
            make_record(),
            trials,
            rows,
            reader(trials),
            rule="mean",
            defaults=trials[0],
        )[0]
    )
    assert result.why_not_corrected == ""
    assert result.defaults is trials[0]
    assert result.gain == result.corrected.gain
    assert result.gain.low > 0
    assert result.gain.mean == pytest.approx(
        trials[1].score - trials[0].score, abs=0.01
    )
    assert result.baseline.score == pytest.approx(0.5, abs=0.06)
    gains = [result.over_baseline.mean, result.over_baseline.low]
    scores = [result.corrected.score, result.corrected.low]
    assert gains == pytest.approx([s - result.baseline.score for s in scores])
    assert not result.lacks_proof
    assert result.rope == 0.01
    ranked = sorted(trials, key=lambda t: -t.score)
    assert [r.number for r in result.rivals] == [t.number for t in ranked[1:3]]
    for rival in result.rivals:
        gap = trials[rival.number].score - trials[1].score
        assert rival.mean == pytest.approx(gap)
        assert rival.worse > 0.5
    assert result.fold_share is not None
    assert set(result.fits) == {1, *(r.number for r in result.rivals)}
    assert result.looks == (look,)


def test_with_one_se_the_best_is_a_rival_of_the_simplest():
    small = scored_trial(0, [0.80, 0.81, 0.82, 0.80, 0.80], n_parameters=10)
    large = scored_trial(1, [0.70, 0.92, 0.80, 0.90, 0.75], n_parameters=99)
    result = study_result(
        make_record(select="one-se"),
        [small, large],
        rows=None,
        predicted=no_predictions,
        defaults=small,
    )
    assert (result.chosen.number, result.best.number) == (0, 1)
    assert [rival.number for rival in result.rivals] == [1]
    assert result.gain is None  # they are one trial
    assert result.baseline is None
    assert result.corrected.resampled == "folds"
    assert set(result.fits) == {0, 1}


def test_without_rows_the_gain_is_told_by_the_folds_and_does_not_know_the_choice():
    trials = [scored_trial(0, [0.7, 0.72, 0.71]), scored_trial(1, [0.8, 0.81, 0.8])]
    result = study_result(
        make_record(k=3),
        trials,
        rows=None,
        predicted=no_predictions,
        defaults=trials[0],
    )
    plain = difference(trials[1], trials[0], correlation=1 / 3, rope=0.01)
    assert result.gain == Gain(plain.mean, plain.low, plain.high, corrected=False)


def test_without_a_complete_trial_nothing_is_concluded():
    failed = Trial(0, {}, "failed", failure="nan")
    beyond = dataclasses.replace(scored_trial(1, [0.5, 0.5]), beyond_stop=True)
    given = [failed, beyond]
    record = make_record()
    assert study_result(record, given, rows=None, predicted=no_predictions) is None


@pytest.mark.parametrize(
    ("metric", "scale"), [("accuracy", 100.0), ("neg_log_loss", -3.0), ("r2", 5.0)]
)
def test_what_an_objective_calls_its_score_says_nothing_of_its_scale(metric, scale):
    # Accuracy in percent, a log-likelihood, an r2 of its own: none ends at 0 or 1.
    random = np.random.default_rng(1)
    table = scale + random.normal(0, 0.01 * abs(scale), size=(6, 5))
    rows = make_rows(random.integers(2, size=50), 5)
    trials = [scored_trial(number, row) for number, row in enumerate(table)]
    record = make_record(metric, family="objective:mine:score")
    result = study_result(record, trials, rows=rows, predicted=no_predictions)
    corrected, _ = corrected_score(
        make_record(metric), trials, None, no_predictions, rule="mean"
    )
    assert result.corrected == corrected
    assert result.corrected.low < result.corrected.high
    assert result.rope == pytest.approx(0.01 * abs(result.best.score))
    assert result.baseline is None
    assert result.fits[result.chosen.number].kind == "unknown"


def test_a_single_fold_is_compared_with_nothing():
    trials = [scored_trial(n, [0.5 + n / 10]) for n in range(3)]
    failed = Trial(3, {}, "failed", failure="nan")
    result = study_result(
        make_record(k=1),
        [*trials, failed],
        rows=None,
        predicted=no_predictions,
        defaults=failed,
    )
    assert result.chosen.number == 2
    assert (result.standard_error, result.fold_share, result.gain) == (None,) * 3
    assert result.rivals == ()
    assert result.defaults is None
    assert result.corrected is None
    assert result.why_not_corrected.endswith("5 of them; there is 1")


def test_a_stored_study_has_a_result_without_its_data(tmp_path):
    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    document = {
        "name": "wine",
        "data": {"source": "sklearn.wine"},
        "model": "sklearn-mlp",
        "space": {"units": {"int": [2, 20]}, "epochs": 30},
        "search": {"strategy": "random", "trials": 4},
        "evaluation": {"folds": 3, "metric": "roc_auc_ovr"},
    }
    hpo.run(document, store=url, tracking="none", jobs=1)
    store = Store(url)
    trials = store.trials("wine")
    result = study_result(
        store.study("wine"),
        trials,
        rows=store.rows("wine"),
        predicted=lambda n: store.trials("wine", predictions=True, numbers=n),
        defaults=trials[0],
    )
    store.close()
    assert result.corrected.resampled == "rows"
    assert result.corrected.n_trials == 4
    assert result.corrected.low < result.corrected.score < result.corrected.high
    assert result.corrected.score == pytest.approx(result.best.score, abs=0.05)
    assert result.baseline.score == pytest.approx(0.5)
    assert {fit.kind for fit in result.fits.values()} <= {
        "good",
        "overfit",
        "underfit",
        "unfinished",
        "diverging",
    }
