"""Searches side by side: what they had found, and whether they can be compared."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from browser import browser_page
from samples import complete, failed, study

from hpo.errors import StudyError
from hpo.records import FoldResult, StudyRows, Trial
from hpo.report.comparable import Stored
from hpo.report.comparing import compare, usual_goal
from hpo.report.comparing_page import comparison_page
from hpo.report.comparing_tables import tables
from hpo.report.comparing_words import words
from hpo.report.course import Course, course, running_seconds
from hpo.report.figures.anytime import anytime, curve
from hpo.report.groups import Group, Spread, cost_text, spread

START = datetime(2026, 1, 1, tzinfo=UTC)
INF = math.inf


def after(seconds):
    return START + timedelta(seconds=seconds)


def timed(trial, begun, ended):
    return replace(trial, created_at=after(begun), finished_at=after(ended))


def made(name="s", scores=(), seed=0, minimize=False, ended=None, **given):
    ends = tuple(range(1, len(scores) + 1)) if ended is None else ended
    about = {"strategy": "random", "family": "f", "total_seconds": 9.0} | given
    return Course(
        name=name, seed=seed, minimize=minimize, scores=scores, ended=ends, **about
    )


# Curves


def test_the_best_so_far_is_in_the_order_of_trials():
    one = made(scores=(None, 0.5, 0.4, None, 0.7, 0.7))
    assert one.best_so_far() == [None, 0.5, 0.5, 0.5, 0.7, 0.7]
    assert [one.after(n) for n in (0, 1, 4, 5, 6, 99)] == [
        None,
        None,
        0.5,
        0.7,
        0.7,
        0.7,
    ]
    assert one.best == 0.7


def test_trials_to_a_score_count_failed_ones_and_the_first_of_equals():
    one = made(scores=(None, 0.5, 0.4, None, 0.7, 0.7))
    assert one.trials_to(0.5) == 2
    assert one.trials_to(0.51) == 5
    assert one.trials_to(0.7) == 5
    assert one.trials_to(0.71) is None
    # A mean that differs in its last digit is the same score.
    assert made(scores=(0.1 + 0.2,)).trials_to(0.3) == 1
    assert made(scores=(0.3,)).trials_to(0.1 + 0.2) == 1


def test_what_is_minimised_is_reached_from_above():
    one = made(scores=(5.0, 7.0, 2.0), minimize=True)
    assert one.best_so_far() == [5.0, 5.0, 2.0]
    assert [one.trials_to(x) for x in (6.0, 4.0, 1.0)] == [1, 3, None]


def test_seconds_to_a_score_go_by_when_trials_ended():
    # Trial 1 was slower than trial 2, which reached the score first.
    one = made(scores=(0.1, 0.9, 0.8), ended=(1.0, 9.0, 4.0))
    assert one.trials_to(0.8) == 2
    assert one.seconds_to(0.8) == 4.0
    assert [one.at(s) for s in (0.5, 1.0, 5.0, 9.0)] == [None, 0.1, 0.8, 0.9]


def test_a_course_leaves_out_what_is_beyond_the_stop_or_not_finished():
    trials = [
        complete(0, {}, 0.5),
        failed(1, {}),
        Trial(2, {}, "stopped"),
        Trial(3, {}, "running"),
        complete(4, {}, 0.6),
        complete(5, {}, 0.9, beyond_stop=True),
        complete(6, {}, math.nan),
    ]
    one = course(study(), trials)
    assert one.scores == (0.5, None, None, 0.6, None)
    assert one.trials_to(0.6) == 4
    assert one.trials_to(0.9) is None
    assert course(study(), trials, n_trials=2).scores == (0.5, None)


def test_values_of_a_minimised_objective_have_their_own_sign():
    document = {"evaluation": {"direction": "minimize"}, "space": {}}
    record = study(document=document, family="objective:code:f", metric="neg_loss")
    one = course(record, [complete(0, {}, -3.0), complete(1, {}, -2.0)])
    assert one.minimize
    assert one.scores == (3.0, 2.0)
    # A scorer of scikit-learn's keeps the sign that its name says.
    scorer = study(metric="neg_log_loss")
    assert course(scorer, [complete(0, {}, -3.0)]).scores == (-3.0,)


# Running time


def test_running_time_without_a_pause_is_wall_time():
    trials = [
        timed(complete(0, {}, 0.1), 2, 5),
        timed(complete(1, {}, 0.2), 2, 9),
    ]
    record = study(created_at=START, active_seconds=9.5)
    moments = running_seconds(record, trials)
    assert moments == {after(2): 2.0, after(5): 5.0, after(9): 9.0}
    one = course(record, trials)
    assert (one.ended, one.total_seconds) == ((5.0, 9.0), 9.5)


def test_a_pause_between_runs_is_cut_out():
    # It ran from 0 to 5 s, stood still for 1000 s, and ran for 5 s more: gaps of 2, 3,
    # 1002 and 3 s, of which 10 s are running time. The pause keeps 10 - 2 - 3 - 3 = 2.
    trials = [
        timed(complete(0, {}, 0.1), 2, 5),
        timed(complete(1, {}, 0.2), 1007, 1010),
    ]
    record = study(created_at=START, active_seconds=10.0)
    assert running_seconds(record, trials) == {
        after(2): 2.0,
        after(5): 5.0,
        after(1007): 7.0,
        after(1010): 10.0,
    }


def test_two_pauses_are_cut_to_the_same_length():
    trials = [
        timed(complete(0, {}, 0.1), 1, 2),
        timed(complete(1, {}, 0.2), 102, 103),
        timed(complete(2, {}, 0.3), 1103, 1104),
    ]
    record = study(created_at=START, active_seconds=10.0)
    # Gaps of 1, 1, 100, 1, 1000 and 1 s: four seconds stay, and 6 are the pauses'.
    assert course(record, trials).ended == (2.0, 6.0, 10.0)


def test_folds_and_trials_beyond_the_stop_tell_when_a_study_ran():
    fold = FoldResult(0, 0.5, finished_at=after(3))
    trials = [
        replace(timed(complete(0, {}, 0.5), 1, 6), folds=(fold,)),
        timed(complete(1, {}, 0.9, beyond_stop=True), 6, 8),
    ]
    record = study(created_at=START, active_seconds=8.0)
    assert list(running_seconds(record, trials).values()) == [1.0, 3.0, 6.0, 8.0]
    assert course(record, trials).ended == (6.0,)


def test_a_study_that_was_told_its_scores_has_no_running_time():
    trials = [timed(complete(0, {}, 0.5), 1, 6)]
    one = course(study(created_at=START), trials)
    assert (one.ended, one.total_seconds) == ((), None)
    assert one.seconds_to(0.5) is None


# Groups


def test_a_spread_takes_nothing_for_never():
    assert spread([8, 12, 10], nothing=INF) == Spread(10, 8, 12)
    assert spread([8, None, 12], nothing=INF) == Spread(12, 8, None)
    assert spread([8, None], nothing=INF) == Spread(None, 8, None)
    assert spread([0.5, None, 0.7], nothing=-INF) == Spread(0.5, None, 0.7)


def test_costs_are_worded_with_their_range():
    assert cost_text(Spread(14, 8, 22)) == "14 (8-22)"
    assert cost_text(Spread(7.5, 4, 11)) == "7.5 (4-11)"
    assert cost_text(Spread(31, 12, None)) == "31 (12-never)"
    assert cost_text(Spread(None, 12, None)) == "never (12-never)"
    assert cost_text(Spread(None, None, None)) == "never"
    assert cost_text(Spread(2.0, 2.0, 2.0), digits=1) == "2.0"


def test_the_usual_goal_is_the_median_of_the_worst_group():
    def group(*bests, minimize=False):
        return Group("g", tuple(made(scores=(b,), minimize=minimize) for b in bests))

    assert usual_goal([group(0.9, 0.7, 0.8), group(0.6, 0.95)], minimize=False) == 0.6
    assert usual_goal([group(0.9), group(None)], minimize=False) == 0.9
    assert usual_goal([group(None)], minimize=False) is None
    upside = [group(3.0, 1.0, minimize=True), group(2.0, minimize=True)]
    assert usual_goal(upside, minimize=True) == 3.0


def test_a_curve_is_the_median_of_its_searches_and_ended_ones_keep_their_best():
    group = Group(
        "g",
        (
            made(scores=(0.1, 0.5), ended=(1.0, 4.0)),
            made(scores=(None, 0.4, 0.9), ended=(2.0, 3.0, 6.0)),
        ),
    )
    assert curve(group, "trials") == [
        (1, Spread(None, None, 0.1)),
        (2, Spread(pytest.approx(0.45), 0.4, 0.5)),
        (3, Spread(pytest.approx(0.7), 0.5, 0.9)),
    ]
    by_seconds = curve(group, "seconds")
    assert [x for x, _ in by_seconds] == [1.0, 2.0, 3.0, 4.0, 6.0]
    assert by_seconds[2][1] == Spread(pytest.approx(0.25), 0.1, 0.4)
    assert by_seconds[-1][1] == Spread(pytest.approx(0.7), 0.5, 0.9)


# Comparing stored studies


def rows(shift=0):
    order = np.roll(np.arange(12), shift)
    folds = tuple((np.delete(order, range(i, i + 6)), order[i : i + 6]) for i in (0, 6))
    return StudyRows(np.arange(12) % 2, ("a", "b"), ("y",), folds)


def stored(name, scores, *, shift=0, document=None, **given):
    shown = {"space": {}, "data": {"source": "t.csv"}, "evaluation": {"folds": 2}}
    trials = [
        timed(failed(n, {}) if s is None else complete(n, {}, s), n, n + 1)
        for n, s in enumerate(scores)
    ]
    record = study(
        name,
        document=shown | (document or {}),
        fingerprint="f" * 64,
        created_at=START,
        active_seconds=float(len(scores)),
        **given,
    )
    return Stored(record, trials, rows(shift))


def test_studies_side_by_side_by_hand():
    compared = compare(
        [
            stored("a", [0.5, 0.6, 0.6, 0.8, 0.9], strategy="grid"),
            stored("b", [None, 0.7, 0.8, 0.75]),
        ]
    )
    assert compared.n_common == 4
    assert compared.checkpoints == [1, 2, 4]
    assert compared.to_reach == 0.8
    one, two = compared.rows
    expected = {
        "study": "a",
        "strategy": "grid",
        "n_trials": 5,
        "best_score": 0.9,
        "best_after_1": 0.5,
        "best_after_2": 0.6,
        "best_after_4": 0.8,
        "trials_to_reach": 4,
        "seconds_to_reach": 4.0,
        "total_seconds": 5.0,
    }
    assert {key: one[key] for key in expected} == expected
    assert (two["best_after_1"], two["best_after_2"]) == (None, 0.7)
    assert (two["trials_to_reach"], two["seconds_to_reach"]) == (3, 3.0)
    # The best trials differ by 0.1 in every fold: no doubt is left.
    assert one["difference_to_best"] is None
    assert two["difference_to_best"] == pytest.approx(-0.1)
    assert two["practically_worse"] == pytest.approx(1.0)
    said = " ".join(words(compared))
    assert "Reached accuracy 0.8000: a in 4 trials, b in 3 trials." in said
    assert "picked as the best" in said
    json.dumps(compared.rows)


def test_objectives_are_practically_equal_on_the_scale_that_they_have():
    # An accuracy in percent: 0.01 of it is nothing, 1 % of the best is 0.887.
    family = "objective:mine:f"
    others = [stored("b", [88.0]), stored("b", [88.0], family=family)]
    for other in others:
        compared = compare([stored("a", [88.7], family=family), other])
        _, two = compared.rows
        assert two["practically_equal"] == pytest.approx(1.0)
        assert "Practically equal is within 0.887" in " ".join(words(compared))


def test_a_given_score_to_reach_may_never_be_reached():
    given = [stored("a", [0.5, 0.9]), stored("b", [0.7])]
    compared = compare(given, to_reach=0.8)
    assert [row["trials_to_reach"] for row in compared.rows] == [2, None]
    assert "a in 2 trials, b never." in words(compared)[0]
    _, way = tables(compared)
    assert way.rows[1][-2:] == ["never", "never"]


def test_studies_without_a_score_are_compared_all_the_same():
    compared = compare([stored("a", [None, None]), stored("b", [])])
    assert compared.to_reach is None
    assert words(compared) == ["No trial of these searches has a score."]
    assert "No trial has a score yet." in comparison_page(compared)
    assert [len(t.rows) for t in tables(compared)] == [2, 2]


def test_other_strategies_models_spaces_and_seeds_can_be_compared():
    other = stored(
        "b", [0.5], strategy="grid", family="sklearn-mlp", document={"space": {"a": 1}}
    )
    assert compare([stored("a", [0.5]), other]).best_trials is not None
    seed = stored("c", [0.5], seed=1, shift=1)
    compared = compare([stored("a", [0.5]), seed])
    assert compared.best_trials is None
    assert any("folds of their own" in note for note in compared.notes)


@pytest.mark.parametrize(
    ("what", "given"),
    [
        (r"metric: 'a' has accuracy\n +'b' has f1", {"metric": "f1"}),
        (r"data: .*ffff\)\n +'b' has t\.csv \(fingerprint eeee", {"fingerprint": "e"}),
        ("folds: 'a' has 2 folds", {"document": {"evaluation": {"split": "kfold"}}}),
        (r"folds: .*\n.*3 folds", {"n_folds": 3}),
        ("test part", {"document": {"data": {"source": "t.csv", "test_size": 0.5}}}),
        ("task", {"task": "regression"}),
        ("folds: 'a' has rows of its own", {"shift": 1}),
    ],
)
def test_what_differs_is_named(what, given):
    content = (
        {"fingerprint": 64 * given["fingerprint"]} if "fingerprint" in given else {}
    )
    other = stored("b", [0.5], **{k: v for k, v in given.items() if k != "fingerprint"})
    other = replace(other, study=replace(other.study, **content))
    with pytest.raises(StudyError, match=what):
        compare([stored("a", [0.5]), other])


def test_a_minimised_and_a_maximised_objective_are_not_compared():
    def objective(name, direction):
        return stored(
            name,
            [0.5],
            family="objective:code:f",
            document={"evaluation": {"direction": direction}},
            metric="neg_loss" if direction == "minimize" else "loss",
        )

    with pytest.raises(StudyError, match="direction: 'a' has lower is better"):
        compare([objective("a", "minimize"), objective("b", "maximize")])


def test_objectives_without_data_must_be_the_same():
    def objective(name, family):
        given = stored(name, [0.5], family=family, metric="objective")
        return replace(given, study=replace(given.study, fingerprint="none"), rows=None)

    same = [objective(name, "objective:code:f") for name in "ab"]
    assert compare(same).best_trials is None
    with pytest.raises(StudyError, match=r"objective: 'a' has objective:code:f"):
        compare([same[0], objective("b", "objective:code:g")])


def test_one_study_or_one_twice_is_no_comparison():
    with pytest.raises(StudyError, match="at least two"):
        compare([stored("a", [0.5])])
    with pytest.raises(StudyError, match="'a' is named twice"):
        compare([stored("a", [0.5]), stored("a", [0.5])])


# Comparing strategies


def searches():
    """Two strategies with three seeds; folds depend on the seed."""
    scores = {
        ("grid", 0): [0.1, 0.9],
        ("grid", 1): [0.1, 0.5],
        ("grid", 2): [0.1, 0.6],
        ("random", 0): [0.8, 0.9],
        ("random", 1): [0.6, 0.6],
        ("random", 2): [0.3, 0.4],
    }
    return [
        stored(f"{s} {seed}", given, strategy=s, seed=seed, shift=seed)
        for (s, seed), given in scores.items()
    ]


def test_strategies_side_by_side_by_hand():
    compared = compare(searches(), by_strategy=True)
    grid, random = compared.rows
    assert compared.to_reach == 0.6
    expected = {
        "strategy": "grid",
        "n_searches": 3,
        "n_trials": 2,
        "best_median": 0.6,
        "best_low": 0.5,
        "best_high": 0.9,
        "wins": 1,
        "best_after_1": 0.1,
        "best_after_2": 0.6,
        "n_reached": 2,
        "trials_to_reach": 2,
        "trials_to_reach_low": 2,
        "trials_to_reach_high": None,
    }
    assert {key: grid[key] for key in expected} == expected
    assert (random["wins"], random["n_reached"]) == (1, 2)
    assert random["trials_to_reach"] == 1
    assert compared.n_ties == 1
    first, _, third = words(compared)
    assert first == (
        "Reached accuracy 0.6000: grid in 2 (2-never) trials, "
        "random in 1 (1-never) trials."
    )
    assert third == (
        "Alone the best after 2 trials, of 3 seeds: grid in 1, random in 1, shared "
        "in 1."
    )


def test_only_the_first_trials_count_if_so_told():
    compared = compare(searches(), by_strategy=True, n_trials=1)
    assert [row["best_median"] for row in compared.rows] == [0.1, 0.6]


# Figures and page


def test_the_figure_draws_what_the_courses_say():
    figure = anytime(compare(searches(), by_strategy=True), "trials")
    lines = {trace.name: trace for trace in figure.data if trace.name}
    assert list(lines["grid"].x) == [1, 2]
    assert list(lines["grid"].y) == [0.1, 0.6]
    assert list(lines["random"].y) == [0.6, 0.6]
    # Two bands of two edges, and two lines.
    assert len(figure.data) == 6
    high = figure.data[1]
    assert (list(high.x), list(high.y)) == ([1, 2], [0.1, 0.9])
    assert high.fill == "tonexty"


def test_a_start_that_is_out_of_view_is_told():
    late = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96]
    near, far = stored("near", late), stored("far", [-50.0, *late])
    alike = compare([near, stored("as near", late)])
    assert "out of view" not in str(anytime(alike, "trials").layout.title)
    figure = anytime(compare([near, far]), "trials")
    assert "begin as far off as -50.0000, out of view" in figure.layout.title.text
    assert figure.layout.yaxis.range[0] > -50
    assert figure.layout.xaxis.dtick == 1  # of few trials each has a tick


def test_a_figure_without_times_says_so():
    given = [replace(s, study=replace(s.study, active_seconds=0.0)) for s in searches()]
    figure = anytime(compare(given, by_strategy=True), "seconds")
    assert "not known" in figure.layout.annotations[0].text


def test_a_page_with_hostile_names_is_drawn_whole(tmp_path):
    hostile = "<img src=x onerror=alert(1)>$x$"
    given = [stored(hostile, [0.5, 0.7, 0.9]), stored("b", [0.6, 0.6])]
    file = tmp_path / "compared.html"
    file.write_text(comparison_page(compare(given)))
    assert hostile not in file.read_text()
    with browser_page() as browser:
        browser.open(file)
        browser.page.wait_for_selector(".figure .main-svg")
        assert browser.problems == []
        assert browser.requests == []
        figures = browser.page.locator(".figure")
        assert figures.count() == 2
        for place in range(2):
            drawn = figures.nth(place).locator(".scatterlayer .trace")
            assert drawn.count() == 2
        names = browser.page.locator(".legendtext").all_text_contents()
        assert names == ["<img src=x onerror…rt(1)>$x$", "b"] * 2
        assert browser.page.locator("table").count() == 2
