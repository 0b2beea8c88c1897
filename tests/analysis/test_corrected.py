"""The corrected score: what it is made of, what it undoes, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_samples import (
    guessing_trials,
    make_record,
    make_rows,
    make_trial,
    no_predictions,
    reader,
    scored_trial,
    share_right,
)
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from hpo.analysis import drawn_rows
from hpo.analysis.choosing import best_by_mean
from hpo.analysis.comparing import difference
from hpo.analysis.corrected import corrected_score
from hpo.analysis.drawing import Draws
from hpo.analysis.repeated_choice import Corrected, within
from hpo.records import StudyRows, Trial, judge


def naive(trials):
    return best_by_mean(trials).score


def by_hand(n, seed, drawn_score, left_out_score, n_trials):
    """Choose in every draw and score what was left out, one draw after the other."""
    scores = []
    for _, weights in Draws(n, 1000, seed).blocks():
        half = len(weights) // 2
        for counts, left in zip(weights[:half], weights[half:], strict=True):
            if left.any():
                on_drawn = [drawn_score(c, counts) for c in range(n_trials)]
                scores.append(left_out_score(int(np.argmax(on_drawn)), left))
    return scores


def test_draws_are_with_replacement_and_leave_a_third_out():
    blocks = list(Draws(200, 1000, 3).blocks())
    weights = np.vstack([weights[: len(weights) // 2] for _, weights in blocks])
    left = np.vstack([weights[len(weights) // 2 :] for _, weights in blocks])
    assert weights.shape == left.shape == (1000, 200)
    assert (weights.sum(axis=1) == 200).all()
    assert ((weights == 0) == (left == 1)).all()
    assert left.mean() == pytest.approx((1 - 1 / 200) ** 200, abs=0.005)
    assert len(np.unique(weights, axis=0)) == 1000


def test_draws_come_again_and_depend_on_the_seed(monkeypatch):
    draws = Draws(30, 100, 1)
    first, again = ([w for _, w in draws.blocks()] for _ in range(2))
    assert np.array_equal(np.vstack(first), np.vstack(again))
    monkeypatch.setattr("hpo.analysis.drawing.KEPT_BYTES", 0)
    drawn_anew = np.vstack([w for _, w in Draws(30, 100, 1).blocks()])
    assert np.array_equal(np.vstack(first), drawn_anew)
    other = np.vstack([w for _, w in Draws(30, 100, 2).blocks()])
    assert not np.array_equal(np.vstack(first), other)


def test_groups_are_drawn_and_left_out_whole():
    groups = np.repeat(np.arange(20), [5, 1, *[10] * 18])
    blocks = list(Draws(len(groups), 300, 3, groups).blocks())
    weights = np.vstack([weights[: len(weights) // 2] for _, weights in blocks])
    left = np.vstack([weights[len(weights) // 2 :] for _, weights in blocks])
    first = np.unique(groups, return_index=True)[1]
    assert np.array_equal(weights, weights[:, first][:, groups])
    assert (weights[:, first].sum(axis=1) == 20).all()
    assert ((weights == 0) == (left == 1)).all()


def grouped_trials(n_groups, size, n_trials):
    """Make trials that are right, or wrong, about all rows of a group."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(n_groups), size)
    rows = replace(make_rows(random.integers(2, size=len(groups)), 5), groups=groups)
    trials = []
    for number in range(n_trials):
        right = (random.random(n_groups) < 0.7)[groups]
        codes = np.where(right, rows.y, 1 - rows.y)
        given = [codes[scored] for _, scored in rows.folds]
        trials.append(make_trial(number, rows, given, share_right))
    return rows, trials


def test_the_interval_of_groups_is_as_wide_as_their_number_makes_it():
    rows, trials = grouped_trials(60, 10, 12)
    record = make_record()
    found, _ = corrected_score(record, trials, rows, reader(trials), rule="mean")
    assert (found.resampled, found.n_trials) == ("groups", 12)
    answers = right_answers(rows, trials)
    scores = []
    for _, weights in Draws(len(rows.y), 1000, record.seed, rows.groups).blocks():
        half = len(weights) // 2
        for counts, left in zip(weights[:half], weights[half:], strict=True):
            choice = (counts @ answers).argmax()
            scores.append(left @ answers[:, choice] / left.sum())
    assert found.score == pytest.approx(np.mean(scores), abs=2e-3)
    alone, _ = corrected_score(
        record, trials, replace(rows, groups=None), reader(trials), rule="mean"
    )
    # Ten rows that are right together are one, not ten: sqrt(10) times as wide.
    ratio = (found.high - found.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(10**0.5, rel=0.25)


def test_of_few_groups_folds_are_drawn():
    rows, trials = grouped_trials(4, 20, 3)
    found, _ = corrected_score(make_record(), trials, rows, reader(trials), rule="mean")
    assert found.resampled == "folds"
    rows = replace(rows, folds=rows.folds[:4])
    _, why = corrected_score(
        make_record(k=4), trials, rows, reader(trials), rule="mean"
    )
    assert why.startswith("the rows are of 4 groups, and drawing takes 5, and ")


def right_answers(rows, trials):
    """Return 1 where a trial's prediction of a row is right, (n_rows, n_trials)."""
    right = np.zeros((len(rows.y), len(trials)))
    for trial in trials:
        for (_, scored), fold in zip(rows.folds, trial.folds, strict=True):
            right[scored, trial.number] = fold.predictions == rows.y[scored]
    return right


def test_it_is_the_published_estimate_of_the_rows_scores():
    random = np.random.default_rng(0)
    rows = make_rows(random.integers(2, size=60), 4)
    trials = guessing_trials(rows, random.uniform(0.4, 0.8, size=15), random)
    right = right_answers(rows, trials)
    found, why = corrected_score(
        make_record(k=4, seed=5), trials, rows, reader(trials), rule="mean"
    )
    scores = by_hand(
        60,
        5,
        lambda c, counts: (counts * right[:, c]).sum(),
        lambda c, left: right[left == 1, c].mean(),
        15,
    )
    assert why == ""
    assert (found.resampled, found.n_trials) == ("rows", 15)
    assert found.score == pytest.approx(np.mean(scores), abs=1e-12)
    ends = sorted(scores)[25], sorted(scores)[-26]
    assert (found.low, found.high) == pytest.approx(ends, abs=0.01)


def test_a_score_of_one_trial_is_not_corrected_whatever_the_metric():
    # Nothing was chosen. An r2 or f1 of the few rows left out is lower by itself.
    random = np.random.default_rng(1)
    y = random.normal(size=120)
    regression = make_rows(y, 5)
    values = y + random.normal(size=120)
    given = [values[scored] for _, scored in regression.folds]
    trial = make_trial(0, regression, given, r2_score)
    record = make_record("r2", task="regression")
    found, _ = corrected_score(
        record, [trial], regression, reader([trial]), rule="mean"
    )
    assert found.resampled == "rows"
    assert found.score == pytest.approx(trial.score, abs=1e-9)

    rows = make_rows((random.random(150) < 0.3).astype(int), 5)
    [base] = guessing_trials(rows, [0.7], random)
    trial = make_trial(0, rows, [f.predictions for f in base.folds], f1_score)
    found, _ = corrected_score(
        make_record("f1"), [trial], rows, reader([trial]), rule="mean"
    )
    assert found.score == pytest.approx(trial.score, abs=1e-9)
    assert found.low < trial.score < found.high


def test_folds_of_unequal_size_count_alike():
    random = np.random.default_rng(2)
    y = random.integers(2, size=100)
    parts = np.split(random.permutation(100), [10, 30])
    rows = StudyRows(
        y, (0, 1), ("t",), tuple((np.setdiff1d(range(100), p), p) for p in parts)
    )
    # Right in the small folds alone: half or more by folds, a third by rows.
    given = [y[parts[0]], y[parts[1]], 1 - y[parts[2]]]
    trial = make_trial(0, rows, given, share_right)
    found, _ = corrected_score(
        make_record(k=3), [trial], rows, reader([trial]), rule="mean"
    )
    assert trial.score == pytest.approx(2 / 3)
    assert found.score == pytest.approx(2 / 3, abs=0.01)


def test_rows_of_several_repeats_are_drawn_once():
    random = np.random.default_rng(3)
    y = random.integers(2, size=80)
    rows = make_rows(y, 4, repeats=3)
    trials = guessing_trials(rows, np.full(40, 0.5), random)
    once = make_rows(y, 4)
    same = [
        make_trial(t.number, once, [f.predictions for f in t.folds[:4]], share_right)
        for t in trials
    ]
    found, _ = corrected_score(
        make_record(k=4, repeats=3), trials, rows, reader(trials), rule="mean"
    )
    alone, _ = corrected_score(make_record(k=4), same, once, reader(same), rule="mean")
    # The repeats say the same of every row: three times as many, no more is known.
    assert found.score == pytest.approx(alone.score, abs=1e-9)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, abs=1e-9)


def test_of_a_split_in_time_only_rows_that_are_scored_take_part():
    from sklearn.model_selection import TimeSeriesSplit

    random = np.random.default_rng(4)
    y = random.integers(2, size=120)
    rows = StudyRows(y, (0, 1), ("t",), tuple(TimeSeriesSplit(5).split(y)))
    trials = guessing_trials(rows, np.full(20, 0.6), random)
    found, _ = corrected_score(
        make_record(split="time"), trials, rows, reader(trials), rule="mean"
    )
    changed = y.copy()
    changed[:20] = 1 - y[:20]
    elsewhere = StudyRows(changed, (0, 1), ("t",), rows.folds)
    again, _ = corrected_score(
        make_record(split="time"), trials, elsewhere, reader(trials), rule="mean"
    )
    assert found == again
    assert found.resampled == "rows"


def test_under_one_se_the_simplest_within_the_error_is_chosen_in_every_draw():
    random = np.random.default_rng(5)
    rows = make_rows(random.integers(2, size=200), 5)
    plain = guessing_trials(rows, np.linspace(0.55, 0.7, 12), random)
    sizes = random.permutation(12)
    trials = []
    for trial in plain:
        n_parameters = int(sizes[trial.number])
        own = {f.fold: replace(f, n_parameters=n_parameters) for f in trial.folds}
        trials.append(judge(Trial(trial.number, {}), own, 5))
    right = np.zeros((200, 12))
    for trial in trials:
        for (_, scored), fold in zip(rows.folds, trial.folds, strict=True):
            right[scored, trial.number] = fold.predictions == rows.y[scored]
    best = best_by_mean(trials)
    margin = np.std([f.score for f in best.folds], ddof=1) / np.sqrt(5)
    scores = []
    for _, weights in Draws(200, 1000, 0).blocks():
        for counts, left in zip(*np.split(weights, 2), strict=True):
            means = [(counts * right[:, c]).sum() / 200 for c in range(12)]
            near = [c for c in range(12) if means[c] >= max(means) - margin]
            simplest = min(near, key=lambda c: sizes[c])
            scores.append(right[left == 1, simplest].mean())
    found, _ = corrected_score(
        make_record(), trials, rows, reader(trials), rule="one-se"
    )
    by_mean, _ = corrected_score(
        make_record(), trials, rows, reader(trials), rule="mean"
    )
    assert found.score == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.score != pytest.approx(by_mean.score, abs=1e-6)


def test_memory_bounds_how_many_trials_are_read_and_nothing_else(monkeypatch):
    random = np.random.default_rng(6)
    rows = make_rows(random.integers(3, size=90), 3)
    trials = guessing_trials(rows, random.uniform(0.3, 0.7, size=20), random)
    asked = []

    def read(numbers):
        asked.append(len(numbers))
        return [trials[number] for number in numbers]

    whole, _ = corrected_score(make_record(k=3), trials, rows, read, rule="mean")
    assert asked == [20]
    monkeypatch.setattr(drawn_rows, "CHUNK_BYTES", 3 * 16 * 1000)
    monkeypatch.setattr("hpo.analysis.drawing.BLOCK_BYTES", 16 * 90 * 1000)
    asked.clear()
    few, _ = corrected_score(make_record(k=3), trials, rows, read, rule="mean")
    assert asked == [3, 3, 3, 3, 3, 3, 2]
    assert few.score == pytest.approx(whole.score, abs=1e-12)


# Folds in place of rows


def fold_table(random, n_trials=8, k=6):
    return random.normal(0.8, 0.02, size=(n_trials, k))


def test_without_predictions_folds_are_drawn():
    random = np.random.default_rng(7)
    table = fold_table(random)
    trials = [scored_trial(number, scores) for number, scores in enumerate(table)]
    found, why = corrected_score(
        make_record(k=6, seed=9), trials, None, no_predictions, rule="mean"
    )
    scores = by_hand(
        6,
        9,
        lambda c, counts: (counts * table[c]).sum(),
        lambda c, left: table[c, left == 1].mean(),
        8,
    )
    assert why == ""
    assert (found.resampled, found.n_trials) == ("folds", 8)
    assert found.score == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.score < naive(trials)


def test_folds_of_repeats_are_drawn_within_each_repeat():
    random = np.random.default_rng(8)
    table = fold_table(random, n_trials=30, k=5)
    # The same folds again: across repeats, what is left out would have been drawn.
    trials = [scored_trial(n, [*scores, *scores]) for n, scores in enumerate(table)]
    alone = [scored_trial(n, scores) for n, scores in enumerate(table)]
    twice, _ = corrected_score(
        make_record(k=5, repeats=2), trials, None, no_predictions, rule="mean"
    )
    once, _ = corrected_score(
        make_record(k=5), alone, None, no_predictions, rule="mean"
    )
    assert twice == once


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("accuracy", "not every complete trial has the predictions that it takes"),
        ("neg_max_error", "neg_max_error is not computed from drawn rows"),
    ],
)
def test_with_too_few_folds_it_says_why_there_is_none(metric, reason):
    rows = make_rows(np.arange(40) % 2, 3)
    trials = [scored_trial(number, [0.5, 0.6, 0.7]) for number in range(3)]
    found, why = corrected_score(
        make_record(metric, k=3), trials, rows, reader(trials), rule="mean"
    )
    assert found is None
    fold_reason = "drawing folds takes at least 5 of them; there are 3"
    assert why == f"{reason}, and {fold_reason}"


def test_rows_that_are_not_known_or_too_few_are_not_drawn():
    random = np.random.default_rng(9)
    rows = make_rows(random.integers(2, size=50), 5)
    trials = guessing_trials(rows, [0.6, 0.7], random)
    unknown, _ = corrected_score(
        make_record(), trials, None, reader(trials), rule="mean"
    )
    few, _ = corrected_score(
        make_record("f1"), trials, rows, reader(trials), rule="mean"
    )
    enough, _ = corrected_score(
        make_record(), trials, rows, reader(trials), rule="mean"
    )
    assert [f.resampled for f in (unknown, few, enough)] == ["folds", "folds", "rows"]


def test_predictions_that_do_not_give_the_stored_scores_are_not_used():
    # As of a network whose classes are not the likeliest ones.
    random = np.random.default_rng(10)
    rows = make_rows(random.integers(2, size=200), 5)
    trials = guessing_trials(rows, [0.6, 0.7], random)
    given = [[f.predictions for f in t.folds] for t in trials]
    shifted = [
        make_trial(n, rows, g, lambda y, p: share_right(y, p) - 0.1)
        for n, g in enumerate(given)
    ]
    found, _ = corrected_score(
        make_record(), shifted, rows, reader(shifted), rule="mean"
    )
    assert found.resampled == "folds"


def saturated(number, rows, random, sure):
    """Make a trial of three classes, too sure: many float32 probabilities are 1."""
    odds = random.normal(size=(len(rows.y), 3)) + np.eye(3)[rows.y]
    exact = np.exp(sure * odds)
    exact /= exact.sum(axis=1, keepdims=True)
    given = [exact[scored] for _, scored in rows.folds]
    trial = make_trial(number, rows, given, area_of_three)
    kept = {
        f.fold: replace(f, predictions=p.astype("float32"))
        for f, p in zip(trial.folds, given, strict=True)
    }
    return judge(Trial(number, {}), kept, len(rows.folds))


def area_of_three(y, probabilities):
    return roc_auc_score(y, probabilities, multi_class="ovr")


def test_rounding_of_stored_predictions_is_no_optimism_and_no_pessimism():
    random = np.random.default_rng(13)
    rows = make_rows(random.integers(3, size=300), 5)
    trial = saturated(0, rows, random, sure=20)
    rounded = np.mean(
        [
            area_of_three(rows.y[scored], fold.predictions)
            for (_, scored), fold in zip(rows.folds, trial.folds, strict=True)
        ]
    )
    assert 1e-4 < abs(rounded - trial.score) < 0.01
    record = make_record("roc_auc_ovr")
    found, _ = corrected_score(record, [trial], rows, reader([trial]), rule="mean")
    assert found.resampled == "rows"
    assert found.score == pytest.approx(trial.score, abs=1e-9)


def test_a_metric_of_rows_is_anchored_on_the_stored_score_too():
    random = np.random.default_rng(14)
    rows = make_rows(random.integers(2, size=200), 5)
    trials = guessing_trials(rows, [0.5, 0.7], random)
    moved = [
        make_trial(
            t.number,
            rows,
            [f.predictions for f in t.folds],
            lambda y, p: share_right(y, p) - 0.008,
        )
        for t in trials
    ]
    plain, other = (
        corrected_score(make_record(), each, rows, reader(each), rule="mean")[0]
        for each in (trials, moved)
    )
    assert other.resampled == "rows"
    assert other.score == pytest.approx(plain.score - 0.008, abs=1e-12)


def test_a_trial_whose_predictions_do_not_give_its_score_is_left_out():
    random = np.random.default_rng(15)
    rows = make_rows(random.integers(2, size=200), 5)
    good = guessing_trials(rows, [0.6, 0.65, 0.9], random)
    [base] = guessing_trials(rows, [0.7], random)
    given = [f.predictions for f in base.folds]
    odd = make_trial(3, rows, given, lambda y, p: share_right(y, p) - 0.1)
    found, _ = corrected_score(
        make_record(), [*good, odd], rows, reader([*good, odd]), rule="mean"
    )
    without, _ = corrected_score(make_record(), good, rows, reader(good), rule="mean")
    assert (found.n_trials, found.n_apart) == (3, 1)
    assert replace(found, n_apart=0) == without
    # But if it is the best one, or if few agree, rows say nothing of the choice.
    best = make_trial(3, rows, given, lambda y, p: share_right(y, p) + 0.3)
    for trials in ([*good, best], [good[0], *[replace(odd, number=n) for n in (1, 2)]]):
        found, _ = corrected_score(
            make_record(), trials, rows, reader(trials), rule="mean"
        )
        assert found.resampled == "folds"


def test_trials_that_do_not_count_do_not_take_part():
    random = np.random.default_rng(11)
    rows = make_rows(random.integers(2, size=100), 5)
    good = guessing_trials(rows, [0.6, 0.65], random)
    failed = Trial(2, {}, "failed", failure="error")
    found, _ = corrected_score(
        make_record(), [*good, failed], rows, reader(good), rule="mean"
    )
    assert found.n_trials == 2
    none, why = corrected_score(make_record(), [failed], rows, reader([]), rule="mean")
    assert (none, why) == (None, "no trial is complete")


# The gain over the defaults


def test_the_gain_is_of_the_choice_over_the_defaults_in_every_draw():
    random = np.random.default_rng(16)
    rows = make_rows(random.integers(2, size=60), 4)
    trials = guessing_trials(rows, random.uniform(0.4, 0.8, size=15), random)
    right = right_answers(rows, trials)
    found, _ = corrected_score(
        make_record(k=4, seed=5),
        trials,
        rows,
        reader(trials),
        rule="mean",
        defaults=trials[3],
    )
    gains = by_hand(
        60,
        5,
        lambda c, counts: (counts * right[:, c]).sum(),
        lambda c, left: (right[left == 1, c] - right[left == 1, 3]).mean(),
        15,
    )
    assert found.gain.corrected
    assert found.gain.mean == pytest.approx(np.mean(gains), abs=1e-12)
    ends = sorted(gains)[25], sorted(gains)[-26]
    assert (found.gain.low, found.gain.high) == pytest.approx(ends, abs=0.01)


def test_defaults_that_take_no_part_and_draws_of_folds_have_no_gain_of_their_own():
    random = np.random.default_rng(17)
    rows = make_rows(random.integers(2, size=200), 5)
    good = guessing_trials(rows, [0.6, 0.65, 0.9], random)
    given = [f.predictions for f in good[0].folds]
    odd = make_trial(3, rows, given, lambda y, p: share_right(y, p) - 0.1)
    trials = [*good, odd]
    for known, how in ((rows, "rows"), (None, "folds")):
        found, _ = corrected_score(
            make_record(), trials, known, reader(trials), rule="mean", defaults=odd
        )
        assert (found.resampled, found.gain) == (how, None)


def test_of_equal_trials_the_best_is_rarely_said_to_gain_more_than_chance():
    # Trials that share half of their rows' outcomes: none is better than the defaults.
    n_studies, by_t, by_draws = 100, 0, 0
    for seed in range(n_studies):
        random = np.random.default_rng(seed)
        rows = make_rows(random.integers(2, size=200), 10, seed=seed)
        luck = random.random(200)
        trials = []
        for number in range(60):
            own = np.where(random.random(200) < 0.5, luck, random.random(200))
            codes = np.where(own < 0.8, rows.y, 1 - rows.y)
            given = [codes[scored] for _, scored in rows.folds]
            trials.append(make_trial(number, rows, given, share_right))
        best = best_by_mean(trials)
        record = make_record(k=10, seed=seed)
        found, _ = corrected_score(
            record, trials, rows, reader(trials), rule="mean", defaults=trials[0]
        )
        plain = difference(best, trials[0], correlation=0.1, rope=0.01)
        by_t += plain.low > 0
        by_draws += best.number != 0 and found.gain.low > 0
    assert by_t / n_studies > 0.05
    assert by_draws / n_studies <= 0.025


# What it is for


def test_of_pure_noise_it_tells_the_share_of_the_majority():
    naives, corrected = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        # As many of either class: else guesses fall short of the majority's share.
        rows = make_rows(random.permutation(np.arange(300) % 2), 5, seed=seed)
        trials = guessing_trials(rows, np.full(200, 0.5), random)
        found, _ = corrected_score(
            make_record(seed=seed), trials, rows, reader(trials), rule="mean"
        )
        naives.append(naive(trials) - 0.5)
        corrected.append(found.score - 0.5)
    assert abs(np.mean(corrected)) <= 0.03
    assert np.mean(naives) > 0.03


def test_its_interval_covers_the_true_score_of_what_is_chosen():
    random = np.random.default_rng(12)
    covered, bias, naive_bias = [], [], []
    for run in range(100):
        accuracies = random.beta(9, 6, size=60)
        rows = make_rows(random.integers(2, size=100), 5, seed=run)
        trials = guessing_trials(rows, accuracies, random)
        truth = accuracies[best_by_mean(trials).number]
        found, _ = corrected_score(
            make_record(seed=run), trials, rows, reader(trials), rule="mean"
        )
        covered.append(found.low <= truth <= found.high)
        bias.append(found.score - truth)
        naive_bias.append(naive(trials) - truth)
    assert np.mean(covered) >= 0.90
    assert np.mean(naive_bias) > 0.02
    assert abs(np.mean(bias)) <= np.mean(naive_bias) / 2


def test_no_score_is_corrected_to_more_than_a_perfect_one():
    found = Corrected(1.002, 0.98, 1.01, "rows", 3)
    assert within(found, 1.0) == Corrected(1.0, 0.98, 1.0, "rows", 3)
    assert within(found, None) == found
    assert within(Corrected(-0.1, -0.2, 0.01, "rows", 3), 0.0).high == 0.0
