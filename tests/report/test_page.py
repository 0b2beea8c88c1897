"""Pages: complete by themselves, safe whatever is in them, and drawn by a browser."""

from __future__ import annotations

import html.parser
import re
import subprocess
import sys
import time
from dataclasses import replace

import plotly.graph_objects as go
import pytest
from browser import browser_page
from samples import SPACE, complete, drawn, failed, study

from hpo.records import Trial
from hpo.report.figures import best_so_far, parallel_coordinates, slices
from hpo.report.page import Part, figures_page, page, table
from hpo.report.progress_page import progress_page, stored_space
from hpo.space import Categorical, Float, Space

HOSTILE = "<script>alert(1)</script>\"'&</title>"


class Reader(html.parser.HTMLParser):
    """Collects what a document has, without the code."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], "", []
        self.feed(
            re.sub(r"<script>.*?</script>", "<script></script>", text, flags=re.S)
        )

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def attributes(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_a_page_is_one_document_that_asks_for_nothing():
    figures = {"One": best_so_far(drawn(), "m"), "Two": slices(drawn(), "m", SPACE)}
    text = figures_page("My study", ["First note.", ""], figures)
    assert text.startswith("<!doctype html>")
    found = Reader(text)
    assert not [a for _, a in found.tags if {"src", "srcset"} & set(a)]
    assert not found.attributes("link")
    assert found.attributes("meta")[0] == {"charset": "utf-8"}
    # Plotly's code is there once, and the page's own; figures are data.
    assert [a.get("type") for a in found.attributes("script")] == [
        "application/json",
        "application/json",
        None,
        None,
    ]
    assert [a["href"] for a in found.attributes("a")] == ["#part-1", "#part-2"]
    assert [a["id"] for a in found.attributes("section")] == ["part-1", "part-2"]
    assert len(found.attributes("p")) == 1
    assert "unsafe-eval" not in found.attributes("meta")[1]["content"]


def test_code_made_at_run_time_is_allowed_only_where_a_figure_needs_it():
    text = figures_page("x", [], {"a": parallel_coordinates(drawn(), "m", SPACE)})
    assert "'unsafe-eval'" in Reader(text).attributes("meta")[1]["content"]


def test_one_figure_needs_no_table_of_contents():
    assert "<nav" not in figures_page("x", [], {"Only": go.Figure()})


def test_a_page_without_figures_has_no_code():
    text = page("x", [Part("Table", table(["a", "b"], [["1", "2"]]))])
    assert len(text) < 5000
    assert "<script" not in text


def test_everything_of_a_user_is_escaped():
    text = page(HOSTILE, [Part(HOSTILE, table([HOSTILE, "b"], [[HOSTILE, HOSTILE]]))])
    assert "script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") == 6
    space = Space(x=Categorical(["<script>alert(1)</script>", "</script><b>", 1]))
    trials = [
        complete(i, {"x": x}, i) for i, x in enumerate(space.declared["x"].choices)
    ]
    lines = parallel_coordinates(trials, HOSTILE, space)
    text = figures_page("x", [HOSTILE], {HOSTILE: lines})
    assert "script>alert" not in text
    assert "\\u003cscript\\u003e" in text
    assert "script><b>" not in text


def test_the_space_of_a_stored_study_is_read_without_its_code():
    stored = study(family="missing.module:build")
    assert stored_space(stored) == SPACE
    assert stored_space(replace(stored, document={"space": {"x": {"odd": 1}}})) is None


def test_the_headline_counts_trials_and_tells_the_best():
    trials = [
        complete(0, {"x": 0.25, "k": None}, 0.5),
        complete(1, {"x": 0.5, "k": None}, 0.75),
        failed(2, {"x": 0.5, "k": None}),
        Trial(3, {"x": 0.1, "k": None}),
        complete(4, {"x": 0.9, "k": None}, 0.9, beyond_stop=True),
    ]
    space = Space(x=Float(0, 1), k=Categorical([None]))
    words = Reader(progress_page(study(space=space), trials)).words
    for expected in (
        "keras-mlp, bayesian search, 2 folds a trial; running.",
        "finished trials3",
        "failed1",
        "in training1",
        "best accuracy0.7500",
        "Trial 1, accuracy 0.7500 ± 0.1000 over the folds.",
        "x0.5",
        "knone",
    ):
        assert expected in words


@pytest.mark.parametrize("trials", [[], [failed(0, {"rate": 0.1})], [Trial(0, {})]])
def test_a_study_without_a_score_has_a_page(trials):
    words = Reader(progress_page(study(), trials)).words
    assert "Best params" not in words
    assert "Best so far" in words


def test_a_large_study_is_drawn_in_little_time_and_room():
    space = Space(**{f"h{i}": Float(1e-4, 1, log=True) for i in range(8)})
    trials = drawn(500, space)
    progress_page(study(space=space), trials[:5])  # imports
    started = time.process_time()
    text = progress_page(study(space=space), trials)
    assert time.process_time() - started < 3
    assert len(text.encode()) < 6_000_000


def test_tables_do_not_import_plotly():
    code = "import hpo.report.tables, sys; assert 'plotly' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- in a browser -------------------------------------------------------------------

DRAWN = """() => Array.from(document.querySelectorAll(".js-plotly-plot"), (plot) => ({
  marks: plot.querySelectorAll("path.point, .bars path, .cartesianlayer path").length,
  canvases: Array.from(plot.querySelectorAll("canvas"), (c) => c.width * c.height),
  wide: plot.getBoundingClientRect().width,
  texts: Array.from(plot.querySelectorAll("text"), (text) => text.textContent),
}))"""


def opened(browser, tmp_path, text):
    file = tmp_path / "page.html"
    file.write_text(text)
    browser.open(file)
    browser.page.wait_for_function(
        "document.querySelectorAll('.figure').length =="
        " document.querySelectorAll('.figure .main-svg:first-child').length"
    )
    return browser.page.evaluate(DRAWN)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_every_figure_offline(tmp_path, width):
    with browser_page(width=width) as browser:
        plots = opened(browser, tmp_path, progress_page(study(), drawn(60)))
        best, bars, panels, lines = plots
        assert best["marks"] >= 60
        assert bars["marks"] >= 10
        assert panels["marks"] >= 300
        assert lines["canvases"]
        assert all(size > 10_000 for size in lines["canvases"])
        assert {"not active", "rate", "accuracy"} <= set(lines["texts"])
        # The page itself never scrolls sideways.
        page_width = browser.page.evaluate("document.documentElement.scrollWidth")
        assert page_width == width
        assert browser.page.locator("h1").inner_text() == "digits"
        assert browser.requests == []
        assert browser.problems == []


@pytest.mark.slow
def test_the_lines_of_the_parallel_coordinates_have_colour(tmp_path):
    figure = parallel_coordinates(drawn(60), "accuracy", SPACE)
    with browser_page() as browser:
        opened(browser, tmp_path, figures_page("x", [], {"Lines": figure}))
        browser.page.wait_for_timeout(500)
        shot = browser.page.locator(".figure").screenshot()
        bluish = browser.page.evaluate(
            """async (bytes) => {
              const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
              const canvas = new OffscreenCanvas(image.width, image.height);
              const context = canvas.getContext("2d");
              context.drawImage(image, 0, 0);
              const {data} = context.getImageData(0, 0, image.width, image.height);
              let count = 0;
              for (let i = 0; i < data.length; i += 4) {
                count += data[i + 2] > data[i] + 40;
              }
              return count;
            }""",
            list(shot),
        )
        assert bluish > 5000


@pytest.mark.slow
def test_hostile_texts_are_shown_as_they_are(tmp_path):
    name = "<b>x</b>"
    space = Space(**{name: Categorical(["<i>a</i>", "b & $c$", "&lt;"])})
    trials = [
        complete(i, {name: space.hyperparameters[name].choices[i % 3]}, i % 5)
        for i in range(12)
    ]
    with browser_page() as browser:
        plots = opened(
            browser,
            tmp_path,
            progress_page(study("it's <b>", space=space), trials),
        )
        _, bars, panels, lines = (set(plot["texts"]) for plot in plots)
        assert name in bars
        assert {name, "<i>a</i>", "b & $c$", "&lt;"} <= panels
        assert {name, "<i>a</i>", "b & $c$", "&lt;"} <= lines
        assert browser.page.title() == "it's <b>"
        assert browser.problems == []


@pytest.mark.slow
def test_the_policy_of_the_page_stops_foreign_code_and_requests(tmp_path):
    text = figures_page("x", [], {"Best": best_so_far(drawn(), "m")})
    foreign = (
        "<script>window.foreign = true</script><img src='https://example.org/a.png'>"
    )
    with browser_page() as browser:
        opened(browser, tmp_path, text.replace("</main>", f"{foreign}</main>"))
        assert browser.page.evaluate("window.foreign") is None
        assert browser.requests == []
        assert len(browser.problems) == 2


@pytest.mark.slow
def test_pointing_at_a_trial_shows_what_it_was(tmp_path):
    figure = best_so_far([complete(0, {"x": 0.5}, 0.25)], "a<b")
    with browser_page() as browser:
        opened(browser, tmp_path, figures_page("x", [], {"Best": figure}))
        point = browser.page.locator("path.point").first.bounding_box()
        browser.page.mouse.move(point["x"] + 4, point["y"] + 4)
        browser.page.wait_for_selector(".hovertext")
        shown = browser.page.locator(".hovertext tspan.line").all_text_contents()
        assert shown == ["trial 0", "a<b 0.2500 ± 0.1000", "x = 0.5"]


@pytest.mark.slow
def test_a_printed_page_has_the_figures_within_the_paper(tmp_path):
    with browser_page() as browser:
        opened(browser, tmp_path, progress_page(study(), drawn(30)))
        browser.page.emulate_media(media="print")
        browser.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        browser.page.wait_for_timeout(300)
        widths = browser.page.evaluate(
            "Array.from(document.querySelectorAll('.figure:not([style*=min-width])'),"
            " (f) => f.querySelector('.main-svg').getBoundingClientRect().width)"
        )
        assert len(widths) == 3
        assert max(widths) <= 680
        assert browser.problems == []
