"""The report of a study: its words, its numbers, and how a browser shows it."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from browser import browser_page
from report_samples import HOSTILE, Sample
from sklearn.calibration import calibration_curve as sklearn_calibration
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from hpo.errors import StudyError, StudyNotFoundError
from hpo.report.failure_parts import informative_line
from hpo.report.figures.curves import learning_curves
from hpo.report.figures.lattice import heat_map, make_lattice
from hpo.report.out_of_fold import (
    area_under,
    calibration_bins,
    confusion_counts,
    out_of_fold,
    roc_points,
    thinned,
)
from hpo.report.page_file import page_file, safe_name, write_whole
from hpo.report.study_report import report_file, study_report
from hpo.space import Categorical, Float, Int, Space
from hpo.store import Store

SPACE = Space(
    rate=Float(1e-4, 1e-1, log=True), units=Int(4, 64), kind=["relu", "tanh"], epochs=9
)
GRID = Space(depth=[1, 2, 4], width=[8, 16, 32, 64], epochs=9)


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    yield opened
    opened.close()


def drawn_params(n, space=SPACE, seed=1):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def classes_study(store, labels=("cat", "dog", HOSTILE), name="pets", n=12, **given):
    y = np.random.default_rng(0).integers(0, len(labels), 240)
    made = Sample(store, name, SPACE, y, tuple(labels), n_test=30).create(**given)
    return made.add(drawn_params(n), np.linspace(0.6, 0.9, n))


def binary_study(store, name="two"):
    y = np.random.default_rng(0).integers(0, 2, 200)
    made = Sample(store, name, SPACE, y, ("no", "yes"), n_folds=3, repeats=2).create()
    return made.add(drawn_params(8), np.linspace(0.6, 0.9, 8))


def regression_study(store, name="numbers"):
    y = np.random.default_rng(0).normal(size=(300, 2))
    made = Sample(
        store, name, SPACE, y, in_time=True, targets=("height", HOSTILE)
    ).create()
    return made.add(drawn_params(8), np.linspace(0.3, 0.8, 8))


def grid_study(store, name="grid"):
    y = np.random.default_rng(0).integers(0, 2, 200)
    made = Sample(store, name, GRID, y, ("a", "b")).create(strategy="grid")
    params = [
        {"depth": d, "width": w, "epochs": 9} for d in (1, 2, 4) for w in (8, 16, 32)
    ]
    return made.add(params, np.linspace(0.6, 0.95, 9), curves=False)


def minimized_study(store, name="heater", n=10):
    space = Space(p=Float(1, 10), i=Float(1, 10))
    made = Sample(store, name, space, n_folds=3).create(
        family="objective:heater:f",
        metric="neg_degrees",
        document={
            "model": {"objective": "heater:f"},
            "evaluation": {"direction": "minimize"},
        },
    )
    # In the store -2.5 is better than -3.
    return made.add(drawn_params(n, space), np.linspace(-3, -2.5, n), curves=False)


def words(text):
    """What a person reads, without code and figures."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def figures(text):
    """The data of all figures by label."""
    found = re.findall(
        r'aria-label="([^"]*)"[^>]*><script type="application/json">(.*?)</script>',
        text,
        flags=re.S,
    )
    return {html.unescape(label): json.loads(data) for label, data in found}


def part(text, heading):
    """The words of one part."""
    section = re.search(
        rf"<h2>{re.escape(html.escape(heading))}</h2>(.*?)</section>", text, re.S
    )
    assert section, heading
    return words(section[1])


# Numbers


def test_the_confusion_matrix_is_that_of_scikit_learn(store):
    classes_study(store)
    text = study_report(store, "pets")
    best = max(store.trials("pets"), key=lambda trial: trial.score)
    (best,) = store.trials("pets", numbers=[best.number], predictions=True)
    rows = store.rows("pets")
    truth = np.concatenate([rows.y[rows.folds[f.fold][1]] for f in best.folds])
    given = np.concatenate([f.predictions.argmax(axis=1) for f in best.folds])
    drawn = figures(text)
    for words_of_view, normalized, factor in (
        ("Counts", None, 1),
        ("Of each true class, % (recall)", "true", 100),
        ("Of each predicted class, % (precision)", "pred", 100),
    ):
        (figure,) = (
            figure for label, figure in drawn.items() if words_of_view in label
        )
        shown = np.array(figure["data"][0]["text"], dtype=float)
        expected = confusion_matrix(truth, given, normalize=normalized) * factor
        np.testing.assert_allclose(shown, expected, atol=0.051)
    expected = precision_recall_fscore_support(truth, given)
    table = part(text, "Which classes are confused")
    for code, label in enumerate(("cat", "dog")):
        precision, recall, f1, n = (float(column[code]) for column in expected)
        counted = int((given == code).sum())
        row = f"{label} {n:.0f} {counted} {precision:.3f} {recall:.3f} {f1:.3f}"
        assert row in table


def test_roc_and_calibration_are_those_of_scikit_learn(store):
    binary_study(store)
    (trial,) = store.trials("two", numbers=[7], predictions=True)
    found = out_of_fold(trial, store.rows("two"))
    assert found is not None
    positive, probability = found.y == 1, found.predictions[:, 1].astype(float)
    assert area_under(*roc_points(positive, probability)) == pytest.approx(
        roc_auc_score(positive, probability), abs=1e-12
    )
    tied = probability.round(1)
    assert area_under(*roc_points(positive, tied)) == pytest.approx(
        roc_auc_score(positive, tied), abs=1e-12
    )
    share, mean = sklearn_calibration(positive, probability, n_bins=10)
    bins = calibration_bins(positive, probability)
    np.testing.assert_allclose([b[0] for b in bins], mean)
    np.testing.assert_allclose([b[1] for b in bins], share)
    assert sum(b[2] for b in bins) == len(positive)


def test_rows_predicted_in_every_repeat_count_each_time(store):
    binary_study(store)
    text = part(study_report(store, "two"), "Which classes are confused")
    assert "Rows were predicted 2 times" in text
    assert "all 400 predictions of 200 rows count" in text


def test_rows_that_are_in_no_validation_part_are_told(store):
    regression_study(store)
    text = part(study_report(store, "numbers"), "Predicted and true values")
    assert "240 of the 300 rows were predicted" in text
    assert "the other 60 are in no validation part" in text


def test_the_errors_of_a_regression_are_those_of_its_predictions(store):
    regression_study(store)
    text = study_report(store, "numbers")
    best = max(store.trials("numbers"), key=lambda trial: trial.score)
    (best,) = store.trials("numbers", numbers=[best.number], predictions=True)
    rows = store.rows("numbers")
    truth = np.concatenate([rows.y[rows.folds[f.fold][1]] for f in best.folds])
    given = np.concatenate([f.predictions for f in best.folds])
    residual = (given - truth)[:, 0]
    r2 = 1 - (residual**2).sum() / ((truth[:, 0] - truth[:, 0].mean()) ** 2).sum()
    mae, rmse = np.abs(residual).mean(), np.sqrt((residual**2).mean())
    expected = f"height {mae:.4g} {rmse:.4g} {r2:.4g} {residual.mean():.4g}"
    assert expected in part(text, "Predicted and true values")
    drawn = figures(text)
    dots = drawn["Predicted against true values of height"]["data"][0]
    np.testing.assert_allclose(dots["y"], given[:, 0], rtol=1e-4)
    left = drawn["Residuals of height against its predicted values"]["data"][0]
    np.testing.assert_allclose(left["y"], residual, rtol=1e-3, atol=1e-6)


def test_the_cells_of_the_heat_map_are_the_trials(store):
    grid_study(store)
    trials = store.trials("grid")
    lattice = make_lattice(trials, GRID, grid=True)
    assert lattice is not None
    assert (lattice.rows, lattice.columns) == ((1, 2, 4), (8, 16, 32, 64))
    cells = heat_map(lattice, "accuracy").data[0].z
    by_params = {(t.params["depth"], t.params["width"]): t.score for t in trials}
    for row, depth in zip(cells, lattice.rows, strict=True):
        # Width 64 has not been tried yet.
        expected = [by_params.get((depth, width)) for width in lattice.columns]
        assert list(row) == expected
    # Only a grid may still have holes; without its last row it is a whole one again.
    whole = make_lattice(trials, GRID, grid=False)
    assert whole is not None
    assert whole.columns == (8, 16, 32)
    assert make_lattice(trials[:-1], GRID, grid=False) is None
    text = part(study_report(store, "grid"), "depth by width")
    assert "Mean accuracy of each pair" in text


def test_one_varying_number_is_a_line_with_the_spread_of_the_folds(store):
    y = np.random.default_rng(0).integers(0, 2, 200)
    made = Sample(store, "line", Space(batch=Int(10, 90), epochs=9), y, ("a", "b"))
    made.create().add(
        [{"batch": b, "epochs": 9} for b in (90, 10, 50)], (0.6, 0.7, 0.8)
    )
    drawn = figures(study_report(store, "line"))
    line = drawn["Score along batch"]["data"][0]
    trials = sorted(store.trials("line"), key=lambda t: t.params["batch"])
    assert line["x"] == [10, 50, 90]
    assert line["y"] == pytest.approx([t.score for t in trials])
    assert line["error_y"]["array"] == pytest.approx([t.std for t in trials])


def test_curves_show_every_fold_the_mean_and_the_kept_epochs(store):
    classes_study(store)
    trial = store.trials("pets")[3]
    figure = learning_curves(trial, "loss")
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(lines) == 2 * (4 + 1)
    mean = next(trace for trace in lines if trace.name == "training, mean")
    # Folds have 12 to 15 epochs; all go on until the twelfth.
    np.testing.assert_allclose(mean.y, 1 / np.arange(1, 13), rtol=1e-4)
    kept = figure.data[-1]
    assert list(kept.x) == [9, 10, 11, 12]
    np.testing.assert_allclose(kept.y, 0.2 + 1 / np.arange(9, 13), rtol=1e-4)


def test_many_points_are_thinned_alike_every_time():
    places = thinned(50_000, 2000, [0, 49_999])
    assert 2000 <= len(places) <= 2002
    assert {0, 49_999} <= set(places.tolist())
    assert len(set(places.tolist())) == len(places)
    np.testing.assert_array_equal(places, thinned(50_000, 2000, [0, 49_999]))
    np.testing.assert_array_equal(thinned(5, 10), np.arange(5))


def test_confusions_of_many_classes_are_counted():
    rng = np.random.default_rng(0)
    truth, given = rng.integers(0, 100, (2, 5000))
    np.testing.assert_array_equal(
        confusion_counts(truth, given, 100),
        confusion_matrix(truth, given, labels=range(100)),
    )


# Words


def test_the_head_says_what_to_take_and_how_good_it_is(store):
    classes_study(store)
    best = max(store.trials("pets"), key=lambda trial: trial.score)
    text = part(study_report(store, "pets"), "The result")
    assert f"Trial {best.number}: it has the best mean score of 12" in text
    assert f"{best.score:.4f} ± {best.std:.4f} cross-validated" not in text
    assert f"{best.score:.4f}, the mean of 4 folds" in text
    assert "with 95 % confidence between" in text
    assert "30 rows have been held out from the start" in text
    assert "hpo best pets --test" in text


def test_looks_at_the_test_part_are_told_with_what_takes_their_worth(store):
    made = classes_study(store)
    y = np.arange(30) % 3
    given, _ = made.probabilities(y, 0.8)
    best = max(store.trials("pets"), key=lambda trial: trial.score).number
    made.look(best, 12, y, given)
    text = study_report(store, "pets")
    head = part(text, "The result")
    assert "0.7500 on 30 rows" in head
    assert "more than once" not in head
    assert "has been looked at" not in head
    counts = np.array(
        next(
            f["data"][0]["text"]
            for label, f in list(figures(text).items())
            if "Counts" in label
        ),
        dtype=float,
    )
    assert counts.shape == (3, 3)
    assert "On the test part" in words(text)
    made.look(best, 12, y, given)
    made.add(drawn_params(2, seed=5), [0.3, 0.3])
    head = part(study_report(store, "pets"), "The result")
    assert "looked at 2 times" in head
    assert "2 more trials have finished since the look" in head


def test_a_minimised_objective_is_shown_with_its_own_sign(store):
    minimized_study(store)
    text = study_report(store, "heater")
    head = part(text, "The result")
    best = max(store.trials("heater"), key=lambda trial: trial.score)
    assert f"{-best.score:.4f}, the mean of 3 folds" in head
    assert "judged by degrees (lower is better)" in head
    assert "neg_degrees" not in words(text).replace("neg_degrees is", "")
    dots = figures(text)["Score of each trial and best score so far, by trial"]["data"]
    line, trials = dots[0], dots[1]
    assert min(trials["y"]) > 2
    assert line["y"] == pytest.approx(np.minimum.accumulate(trials["y"]))


def test_what_is_missing_is_said_with_the_reason(store):
    minimized_study(store)
    text = part(study_report(store, "heater"), "The result")
    assert "what the rows of this study are is not in the store" in text
    assert text.count("Not known") >= 2


@pytest.mark.parametrize("n_failed", [0, 2])
def test_a_study_without_a_complete_trial_has_a_page(store, n_failed):
    made = Sample(store, "none", SPACE).create()
    for _ in range(n_failed):
        made.fail({"rate": 0.1}, "error", "Traceback\nValueError: <b>\n")
    text = study_report(store, "none")
    assert "so there is no result" in part(text, "The result")
    assert ("2 of 2 finished trials failed" in words(text)) == (n_failed == 2)


@pytest.mark.parametrize("n_folds", [1, 4])
def test_a_study_of_one_trial_has_a_page(store, n_folds):
    y = np.arange(80) % 2
    made = Sample(store, "one", SPACE, y, ("a", "b"), n_folds=n_folds).create()
    made.add(drawn_params(1), [0.8])
    text = part(study_report(store, made.name), "The result")
    assert "it is the only one that is complete" in text
    assert ("With a single fold" in text) == (n_folds == 1)


def test_failures_are_counted_by_kind_and_cause(store):
    made = classes_study(store, n=3)
    boom = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
    for _ in range(2):
        made.fail(
            {"rate": 0.1}, "error", f"{boom}ValueError: bad <i>x</i>\n  [Op: y]\n"
        )
    made.fail({"rate": 0.1}, "nan", None)
    raw = study_report(store, "pets")
    text = part(raw, "Failures")
    assert "3 of 6 finished trials failed: 2 x error, 1 x nan." in text
    assert "error 2 3, 4 ValueError: bad <i>x</i>" in text
    assert "<i>" not in raw


def test_the_informative_line_is_that_of_the_last_exception():
    first = 'Traceback:\n  File "a"\n    f()\nKeyError: 1\n'
    cause = "\nThe above exception was the direct cause:\n\n"
    second = 'Traceback:\n  File "b"\n    g()\nmy.Error: two\nlines\n'
    assert informative_line(first + cause + second) == "my.Error: two"
    assert informative_line("lost worker 3") == "lost worker 3"
    assert informative_line(None) == "no message"


def test_the_study_file_its_edits_and_how_to_repeat_it_are_told(store):
    made = classes_study(store, n=2, name="a study")
    text = study_report(store, "a study")
    assert "name: a study" in part(text, "The study file")
    repeat = part(text, "How to repeat it")
    for expected in ("hpo run 'a study.yaml'", "seed 7", "sha256:0123", "keras 3 <b>"):
        assert expected in repeat
    assert made.name == "a study"


def test_everything_of_the_users_is_escaped(store):
    space = Space(**{HOSTILE: Categorical([HOSTILE, "b", "c"]), "rate": Float(0, 1)})
    y = np.arange(200) % 2
    made = Sample(store, HOSTILE, space, y, ("<b>", HOSTILE))
    made.create(reason=HOSTILE, text=HOSTILE, family=HOSTILE)
    made.add(drawn_params(6, space), np.linspace(0.5, 0.8, 6))
    made.fail({HOSTILE: HOSTILE}, "error", HOSTILE)
    text = study_report(store, HOSTILE)
    assert "<script>alert" not in text
    assert "<b>trial" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert HOSTILE in words(text)


# The file


def test_the_report_is_a_file_named_for_its_study(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    minimized_study(store, name="a/b: ../c", n=1)
    file = report_file(store, "a/b: ../c")
    assert file.parent.resolve() == tmp_path
    assert file.name == "a_b_.._c.html"
    assert file.read_text() == study_report(store, "a/b: ../c")
    assert safe_name("../..") == "study"
    assert safe_name(".hidden") == "hidden"
    with pytest.raises(StudyNotFoundError):
        report_file(store, "other")


def test_a_file_that_cannot_be_written_is_refused_and_the_old_one_stays(tmp_path):
    with pytest.raises(StudyError, match="got a folder"):
        page_file("x", tmp_path)
    with pytest.raises(StudyError, match="cannot be written"):
        write_whole(tmp_path / "none" / "x.html", "new")
    old = tmp_path / "x.html"
    old.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(old, "\ud800")
    assert old.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]


def test_a_pipe_is_not_read_for_a_page_and_a_link_stays(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link.html"
    os.mkfifo(pipe)
    # A reader of the pipe would wait for ever, so the question is asked from aside.
    asked = threading.Thread(target=page_file, args=("x", pipe), daemon=True)
    asked.start()
    asked.join(20)
    assert not asked.is_alive()
    link.symlink_to("far.html")
    write_whole(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "far.html").read_text() == "new"


def test_the_command_writes_the_report_and_says_where(store, tmp_path):
    minimized_study(store, n=3)
    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    command = [sys.executable, "-m", "hpo", "report", "heater", "--store", url]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    file = tmp_path / "heater.html"
    assert done.stdout.strip() == str(file)
    assert file.as_uri() in done.stderr
    assert file.read_text().startswith("<!doctype html>")


# In a browser

EMPTY = """() => Array.from(document.querySelectorAll(".figure")).filter((figure) => {
  const marks = figure.querySelectorAll(
    ".point, .points path, .lines path, .trace path, .hm image, .annotation text");
  const canvases = Array.from(figure.querySelectorAll("canvas"), (c) => c.width);
  return !marks.length && !canvases.some((width) => width > 50);
}).map((figure) => figure.getAttribute("aria-label"))"""
OUTSIDE = """() => Array.from(document.querySelectorAll(".figure")).filter((figure) =>
  figure.querySelector(".main-svg").getBoundingClientRect().width >
  figure.getBoundingClientRect().width + 1).length"""


def opened(browser, tmp_path, text):
    file = tmp_path / "page.html"
    file.write_text(text)
    browser.open(file)
    browser.page.wait_for_function(
        "document.querySelectorAll('.figure').length =="
        " document.querySelectorAll('.figure .main-svg:first-child').length"
    )


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_a_browser_draws_every_figure_of_every_kind_of_study(store, tmp_path, width):
    made = classes_study(store)
    made.fail({"rate": 0.1}, "error", "ValueError: <b>bad</b>")
    binary_study(store)
    regression_study(store)
    grid_study(store)
    minimized_study(store)
    many = [f"class {code}" for code in range(100)]
    classes_study(store, many, name="many", n=4)
    Sample(store, "none", SPACE).create()
    with browser_page(width=width) as browser:
        for name in ("pets", "two", "numbers", "grid", "heater", "many", "none"):
            opened(browser, tmp_path, study_report(store, name))
            assert browser.page.evaluate(EMPTY) == [], name
            assert browser.page.evaluate(OUTSIDE) == 0, name
            scrolled = browser.page.evaluate("document.documentElement.scrollWidth")
            assert scrolled == width, name
            assert browser.problems == [], name
            assert browser.requests == [], name


@pytest.mark.slow
def test_hostile_names_are_shown_as_they_are_and_the_page_prints(store, tmp_path):
    name = "<b>x</b>$y$שלום"
    space = Space(**{name: Categorical(["<i>a</i>", "b"]), "rate": Float(0, 1)})
    y = np.arange(200) % 2
    made = Sample(store, "odd <b>", space, y, ("<u>", "'\"$z$")).create()
    made.add(drawn_params(8, space), np.linspace(0.5, 0.8, 8))
    with browser_page() as browser:
        opened(browser, tmp_path, study_report(store, "odd <b>"))
        texts = set(browser.page.locator(".figure text").all_text_contents())
        assert {name, "<i>a</i>", "<u>", "'\"$z$"} <= texts
        assert browser.page.title() == "odd <b>"
        assert name in browser.page.locator("#part-2").inner_text()
        printed = browser.page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        browser.page.emulate_media(media="print")
        browser.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        browser.page.wait_for_timeout(400)
        widths = browser.page.evaluate(
            "Array.from(document.querySelectorAll('.figure'), (f) =>"
            " f.querySelector('.main-svg').getBoundingClientRect().width)"
        )
        assert max(widths) <= 680
        assert browser.problems == []
