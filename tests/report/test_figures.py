"""Figures: the numbers in them, what is written on them, and what they survive."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from samples import SPACE, complete, drawn, failed

from hpo.records import Trial
from hpo.report.figures import (
    best_so_far,
    importance_bars,
    parallel_coordinates,
    slices,
)
from hpo.report.figures.axes import even_ticks, log_ticks, make_axis, varying
from hpo.report.figures.scores import in_view
from hpo.space import Categorical, Float, Int, Space

X = Space(x=Float(0, 1))


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def said(figure):
    """Return the notes on a figure."""
    texts = [note.text for note in figure.layout.annotations]
    return " ".join(filter(None, [*texts, figure.layout.title.text]))


# --- best so far --------------------------------------------------------------------


def test_the_line_is_the_best_score_up_to_each_trial():
    scores = {0: 0.5, 1: 0.4, 3: 0.7, 4: 0.6}
    trials = [complete(n, {"x": n / 9}, score) for n, score in scores.items()]
    trials.insert(2, failed(2, {"x": 0.2}))
    trials += [failed(5, {"x": 0.9}), Trial(6, {"x": 0.3})]
    shown = traces(best_so_far(trials, "accuracy"))
    # It goes on to the last trial that has finished.
    assert shown["best so far"].x == (0, 1, 3, 4, 5)
    assert shown["best so far"].y == (0.5, 0.5, 0.7, 0.7, 0.7)
    assert shown["best so far"].line.shape == "hv"
    assert shown["trial"].x == (0, 1, 3, 4)
    assert shown["trial"].y == (0.5, 0.4, 0.7, 0.6)
    assert shown["failed"].x == (2, 5)
    assert shown["failed"].yaxis == "y2"


def test_pointing_at_a_trial_tells_its_params():
    trials = [
        complete(4, {"rate": 0.000123456, "kind": None, "on": True}, 0.51239),
        failed(5, {"rate": 0.1}),
    ]
    shown = traces(best_so_far(trials, "accuracy"))
    assert shown["trial"].hovertext == (
        "<b>trial 4</b><br>accuracy 0.5124 ± 0.1000<br>"
        "rate = 0.0001235<br>kind = none<br>on = true",
    )
    assert shown["failed"].hovertext == ("<b>trial 5</b><br>failed: nan<br>rate = 0.1",)


def test_trials_beyond_the_stop_are_in_no_figure():
    trials = drawn(30)
    extra = complete(30, {**trials[0].params, "gone": 3}, 7.0, beyond_stop=True)
    for draw in (best_so_far, slices, parallel_coordinates):
        assert draw([*trials, extra], "m").to_json() == draw(trials, "m").to_json()


def test_a_score_far_below_the_others_does_not_squeeze_them():
    scores = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, -1e6]
    trials = [complete(i, {"x": i / 9}, score) for i, score in enumerate(scores)]
    figure = best_so_far(trials, "r2")
    assert traces(figure)["far below"].x == (8,)
    low, high = figure.layout.yaxis.range
    assert 0.8 < low < 0.9
    assert high > 0.97
    panel = slices(trials, "r2", X).data[0]
    assert min(panel.y) == 0.9
    assert panel.marker.symbol[-1] == "triangle-down"
    lines = parallel_coordinates(trials, "r2", X)
    assert min(lines.data[0].dimensions[-1]["values"]) == 0.9
    assert said(lines) == "1 far lower score lies on the edge"


def test_the_range_in_view_follows_tukeys_fence():
    # Quartiles 3 and 7 by nearest rank: the fence is 3 - 3 * 4 = -9.
    scores = [-9.1, -8.9, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert in_view(scores) == (-8.9, 9.0)
    assert in_view([-100.0, 1.0, 2.0]) == (-100.0, 2.0)
    assert in_view([5.0] * 20) == (5.0, 5.0)


# --- one hyperparameter at a time ---------------------------------------------------


def test_a_panel_shows_score_against_value():
    space = Space(x=Float(1e-3, 1, log=True), c=Categorical(["b", None, True]), k=7)
    values = [(0.001, True), (0.1, "b"), (1.0, None)]
    trials = [
        complete(i, {"x": x, "c": c, "k": 7}, i / 2) for i, (x, c) in enumerate(values)
    ]
    figure = slices(trials, "accuracy", space)
    numbers, _, choices, _ = figure.data
    assert numbers.x == pytest.approx((-3, -1, 0))  # logarithms to base 10
    assert numbers.y == (0, 0.5, 1)
    assert numbers.marker.color == (0, 1, 2)
    assert numbers.hovertext[1] == "trial 1: x = 0.1<br>accuracy 0.5000"
    assert choices.x == (2, 0, 1)
    layout = figure.layout
    assert layout.xaxis.title.text == "x (log)"
    assert layout.xaxis.ticktext == ("0.001", "0.1", "1")
    assert layout.xaxis2.ticktext == ("b", "none", "true")
    assert layout.xaxis2.tickvals == (0, 1, 2)


def test_the_best_trial_stands_out_in_every_panel():
    trials = [complete(i, {"x": i / 4, "y": -i}, 2 - abs(i - 1)) for i in range(4)]
    _, first, _, second = slices(trials, "m").data
    assert (first.x, first.y) == ((0.25,), (2,))
    assert (second.x, second.y) == ((-1,), (2,))


def test_a_panel_leaves_out_trials_in_which_it_was_not_active():
    trials = [complete(0, {"a": 1}, 0.1), complete(1, {"a": 2, "b": 5}, 0.2)]
    trials.append(complete(2, {"a": 3, "b": 6}, 0.3))
    figure = slices(trials, "m")
    assert figure.data[2].x == (5, 6)
    assert figure.data[2].marker.color == (1, 2)


def test_panels_have_places_of_their_own_on_a_phone_and_elsewhere():
    figure = slices(drawn(), "accuracy", SPACE)
    layout = figure.to_dict()["layout"]
    narrow = layout["meta"]["narrow"]
    wide_places, narrow_places = [], []
    for index in range(10):
        n = index + 1 if index else ""
        places = [layout[f"{axis}axis{n}"]["domain"] for axis in "xy"]
        wide_places.append(tuple(map(tuple, places)))
        places = [narrow[f"{axis}axis{n}.domain"] for axis in "xy"]
        narrow_places.append(tuple(map(tuple, places)))
    assert len({x for x, _ in wide_places}) == 3
    assert len({x for x, _ in narrow_places}) == 2
    for places in (wide_places, narrow_places):
        assert len(set(places)) == 10
        for (left, right), (bottom, top) in places:
            assert 0 <= left < right <= 1
            assert -1e-9 <= bottom < top <= 1
    assert narrow["height"] > layout["height"]


def test_hyperparameters_come_in_the_wanted_order_then_that_of_the_space():
    trials = [*drawn(), complete(90, {"new": 1}, 0.5), complete(91, {"new": 2}, 0.5)]
    names = varying(trials, SPACE, ["rate", "units_1", "unheard"])
    assert names[:3] == ["rate", "units_1", "layers"]
    assert names[-1] == "new"
    assert "epochs" not in names


# --- parallel coordinates -----------------------------------------------------------


def test_each_line_goes_through_the_values_of_a_trial():
    space = Space(
        rate=Float(1e-4, 1e-1, log=True),
        kind=["b", "a"],
        more=Float(0, 10, when={"kind": "a"}),
        same=3,
    )
    trials = [
        complete(0, {"rate": 1e-2, "kind": "a", "more": 10.0, "same": 3}, 0.9),
        complete(1, {"rate": 1e-4, "kind": "b", "same": 3}, 0.5),
        complete(2, {"rate": 1e-3, "kind": "a", "more": 0.0, "same": 3}, 0.7),
    ]
    figure = parallel_coordinates(trials, "accuracy", space)
    rate, kind, more, score = figure.data[0].dimensions
    # From the worst score to the best, which is drawn last.
    assert score["values"] == (0.5, 0.7, 0.9)
    assert figure.data[0].line.color == (0.5, 0.7, 0.9)
    assert rate["values"] == pytest.approx((-4, -3, -2))
    assert rate["ticktext"] == ("0.0001", "0.01", "0.001")
    assert kind["values"] == (0, 1, 1)
    assert kind["ticktext"] == ("b", "a")
    assert more["values"] == pytest.approx((-1.4, 0, 10))
    assert more["ticktext"] == ("not active", "10", "0")
    assert more["tickvals"] == pytest.approx((-1.4, 10, 0))
    assert [d["label"] for d in (rate, kind, more)] == ["rate", "kind", "more"]


# --- importances --------------------------------------------------------------------


def test_bars_are_the_shares_greatest_first():
    figure = importance_bars({"a": 0.25, "b": 0.7496, "c": 0.0004})
    (bars,) = figure.data
    assert bars.x == (0.7496, 0.25, 0.0004)
    assert bars.text == ("75.0 %", "25.0 %", "< 0.1 %")
    assert figure.layout.yaxis.ticktext == ("b", "a", "c")
    low, high = figure.layout.yaxis.range
    assert low > high  # the first is on top


# --- axes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.3, 0.97, False, [0.4, 0.6, 0.8]),
        (1, 3, True, [1, 2, 3]),
        (10, 250, True, [50, 100, 150, 200, 250]),
        (-2e-5, 3e-5, False, [-2e-5, -1e-5, 0, 1e-5, 2e-5, 3e-5]),
        (7, 7, True, [7]),
    ],
)
def test_ticks_are_round_numbers(low, high, whole, expected):
    assert [value for _, value in even_ticks(low, high, whole=whole)] == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-4, 1e-1, [1e-4, 1e-3, 1e-2, 1e-1]),
        (8, 64, [10, 20, 30, 50]),
        (1e-9, 1e3, [1e-9, 1e-6, 1e-3, 1, 1e3]),
        (1.1, 1.2, [1.1, 1.2]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round_numbers(low, high, expected):
    ticks = log_ticks(math.log10(low), math.log10(high))
    assert [value for _, value in ticks] == expected
    assert [10**at for at, _ in ticks] == pytest.approx(expected)


def test_ordered_choices_are_in_order_and_every_choice_is_on_the_axis():
    space = Space(n=Categorical([64, 16, 256]), m=Categorical([1, True, "1"]))
    trials = [complete(0, {"n": 64, "m": True}, 1), complete(1, {"n": 16, "m": 1}, 2)]
    n, m = (make_axis(name, trials, space) for name in "nm")
    assert n.labels == ("16", "64", "256")
    assert n.positions == (1, 0)
    assert m.positions == (1, 0)


def test_texts_that_look_like_dates_or_numbers_stay_texts():
    space = Space(x=Categorical(["2020-01-01", "1e5", "nan"]))
    trials = [complete(i, {"x": x}, i) for i, x in enumerate(["1e5", "nan"])]
    figure = slices(trials, "m", space)
    assert figure.data[0].x == (1, 2)
    assert figure.layout.xaxis.ticktext == ("2020-01-01", "1e5", "nan")


# --- what figures survive -----------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "\"quoted\" & 'so'",
    "<b>bold</b><br>&lt;",
    "%{x} $\\alpha$ $$",
    "日本語 ünïcödé \u202e\x00",
    "long" * 500,
    "",
]


def texts(node):
    """Yield every text in a figure."""
    if isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_user_wrote_is_escaped_and_short(name):
    space = Space(**{name: Categorical([*HOSTILE, 1.5])})
    trials = [complete(i, {name: x}, i) for i, x in enumerate(HOSTILE)]
    for figure in (
        best_so_far(trials, name),
        slices(trials, name, space),
        parallel_coordinates(trials, name, space),
        importance_bars({name: 1.0}),
    ):
        shown = json.loads(figure.to_json())
        # Plotly takes these as they are, which the test in a browser shows.
        for dimension in shown["data"][0].get("dimensions", ()):
            del dimension["ticktext"]
        found = list(texts(shown))
        assert not [t for t in found if len(t) > 600]
        ours = ("<b>trial ", "</b>", "<br>")
        for text in found:
            rest = text
            for tag in ours:
                rest = rest.replace(tag, "")
            assert "<" not in rest
            assert "$" not in rest
            assert "\x00" not in rest
        assert not [
            trace for trace in figure.data if getattr(trace, "hovertemplate", None)
        ]


NAN = float("nan")
CASES = {
    "none": [],
    "running": [Trial(0, {"x": 0.5})],
    "one": [complete(0, {"x": 0.5}, 0.5)],
    "two": [complete(0, {"x": 0.5}, 0.5), complete(1, {"x": 0.6}, 0.6)],
    "two failed": [failed(0, {"x": 0.5}), failed(1, {"x": 0.6})],
    "same scores": [complete(i, {"x": i / 20}, 0.5) for i in range(20)],
    "zero": [complete(i, {"x": i / 20}, 0.0) for i in range(20)],
    "not numbers": [complete(i, {"x": i / 9}, NAN) for i in range(9)],
    "same params": [complete(i, {"x": 0.5}, i) for i in range(9)],
    "no params": [complete(i, {}, i) for i in range(9)],
    "huge": [complete(i, {"x": 1e300 * i}, -1e300 * i) for i in range(9)],
    "tiny": [complete(i, {"x": 1e-300 * i}, 1e-300 * i) for i in range(9)],
    "close": [complete(i, {"x": 1 + i * 2**-52}, 1 + i * 2**-52) for i in range(9)],
    "no folds": [Trial(i, {"x": i / 9}, "complete", i / 9) for i in range(9)],
    "other kinds": [
        complete(i, {"x": x}, i) for i, x in enumerate([None, True, 1, "1", 0.5, -3])
    ],
    "without trial 0": [complete(i, {"x": i / 99}, i) for i in range(70, 90)],
}


@pytest.mark.parametrize("trials", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("space", [None, X, Space(x=Float(1e-9, 1, log=True))])
@pytest.mark.parametrize("draw", [best_so_far, slices, parallel_coordinates])
def test_every_history_gives_a_figure_or_a_note(draw, space, trials):
    figure = draw(trials, "m") if draw is best_so_far else draw(trials, "m", space)
    assert figure.data or said(figure)
    assert figure.layout.height >= 50
    json.loads(figure.to_json())


def test_no_importances_give_a_note():
    assert "Too few" in said(importance_bars({}))


def test_hundreds_of_hyperparameters_are_cut_off_with_a_note():
    rng = np.random.default_rng(0)
    names = [f"h{i}" for i in range(300)]
    trials = [
        complete(i, dict(zip(names, rng.random(300).tolist(), strict=True)), i)
        for i in range(5)
    ]
    assert said(slices(trials, "m")) == "276 more hyperparameters are not shown"
    figure = parallel_coordinates(trials, "m", order=["h299"])
    assert said(figure) == "284 more hyperparameters are not shown"
    assert figure.data[0].dimensions[0]["label"] == "h299"
    bars = importance_bars(dict.fromkeys(names, 1 / 300))
    assert said(bars) == "275 less important ones are not shown"
    assert "… and 286 more" in best_so_far(trials, "m").data[1].hovertext[0]


def test_a_whole_number_axis_has_whole_ticks():
    space = Space(n=Int(1, 500))
    trials = [complete(i, {"n": 60 * i + 1}, i) for i in range(8)]
    assert make_axis("n", trials, space).labels == ("100", "200", "300", "400")
