"""What a person sees of a study in MLflow's own pages, and what `hpo ui` does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from browser import BrowserPage, browser_page
from command_folder import Folder, family_of
from faulty_server import HOST, free_port, wait_until

TRACKING = ("--tracking", "sqlite:///mlflow.db")
N_TRIALS = 6
N_EPOCHS = 10
STUDY = f"""
name: wine
data: {{source: sklearn.wine}}
model: sklearn-mlp
space:
  hidden_layers: {{int: [0, 2]}}
  units: {{int: [2, 32], log: true}}
  learning_rate: {{float: [1e-3, 1e-1], log: true}}
  epochs: {N_EPOCHS}
search: {{strategy: random, trials: {N_TRIALS}, seed: 1}}
evaluation: {{folds: 3}}
"""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
START_SECONDS = 120
SEEN_MS = 30_000
RUNS = "/runs?workflowType=machine_learning&orderByKey=attributes.start_time"


@dataclass
class Shown:
    """A finished study, and a bare `mlflow ui` in its folder."""

    folder: Folder
    base: str

    @property
    def experiment(self) -> str:
        """The address of the study's page."""
        return f"{self.base}/#/experiments/{self.ask('experiments', 'experiment_id')}"

    def ask(self, table: str, column: str) -> Any:
        """Return what MLflow's database has of the study itself."""
        connection = sqlite3.connect(self.folder.path / "mlflow.db")
        sql = f"SELECT {column} FROM {table} WHERE name = 'wine'"
        with contextlib.closing(connection):
            return connection.execute(sql).fetchone()[0]

    def scores(self) -> dict[str, float]:
        """Return the score of each trial by the name of its run, from the store."""
        connection = sqlite3.connect(self.folder.path / "hpo.db")
        with contextlib.closing(connection):
            rows = connection.execute("SELECT number, score FROM trials").fetchall()
        return {f"trial {number}": score for number, score in rows}

    def run_page(self, run_id: str, tab: str = "") -> str:
        return f"{self.experiment}/runs/{run_id}{tab}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Folder:
    """A study that was run by the command, and sent by it."""
    folder = Folder(tmp_path_factory.mktemp("finished"))
    shutil.copy(empty_mlflow, folder.path / "mlflow.db")
    folder.write("study.yaml", STUDY)
    folder.hpo("run", "study.yaml", *TRACKING)
    # A busy machine may not have sent all of it in time.
    folder.hpo("sync", "wine", *TRACKING)
    return folder


@pytest.fixture(scope="module")
def shown(finished: Folder) -> Iterator[Shown]:
    port = free_port()
    base = f"http://{HOST}:{port}"
    words = ["--workers", "1", "--port", str(port)]
    with (finished.path / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "ui", *words],
            cwd=finished.path,
            env={k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
            | QUIET,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until(lambda: answers(base), START_SECONDS, "mlflow ui did not start")
            yield Shown(finished, base)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/health", timeout=2):
            return True
    except OSError:
        return False


class Visitor:
    """Somebody who looks at MLflow's pages, and keeps pictures of them."""

    def __init__(self, found: BrowserPage, pictures: Path) -> None:
        self.found, self.page, self._pictures = found, found.page, pictures
        self.page.set_default_timeout(SEEN_MS)

    def opens(self, address: str) -> None:
        # Only a change before the # loads the page anew.
        self.page.goto("about:blank")
        self.page.goto(address, wait_until="load", timeout=SEEN_MS)
        with contextlib.suppress(Exception):
            self.page.get_by_role("button", name="Close", exact=True).click(
                timeout=3000
            )

    def sees(self, text: str) -> Any:
        """Wait until a text is there, and return where."""
        where = self.page.get_by_text(text, exact=True).first
        where.wait_for()
        return where

    def waits_for_runs(self) -> None:
        self.page.locator(".ag-row").first.wait_for()

    def expands(self) -> None:
        """Show the nested runs of the study's own."""
        self.page.locator(".ag-row button").first.click()
        for number in range(N_TRIALS):
            self.sees(f"trial {number}")

    def shows_column(self, name: str) -> None:
        """Choose a column of the table of runs."""
        self.page.get_by_role("button", name="Columns").click()
        chooser = self.page.get_by_role("dialog")
        chooser.get_by_placeholder("Search columns").fill(name)
        chooser.get_by_text(name, exact=True).click()
        self.page.keyboard.press("Escape")
        chooser.wait_for(state="detached")

    def rows(self) -> dict[str, dict[str, str]]:
        """Return the cells of each row of the table of runs, by the name of the run."""
        cells: dict[str, dict[str, str]] = {}
        for cell in self.page.locator(".ag-row [role=gridcell]").all():
            row = cell.locator("xpath=..").get_attribute("row-id")
            column = cell.get_attribute("col-id")
            cells.setdefault(row, {})[column] = cell.inner_text().split("\n")[-1]
        return {row["attributes.`Run Name`"]: row for row in cells.values()}

    def keeps(self, name: str) -> None:
        self.page.screenshot(path=self._pictures / f"{name}.png")

    @property
    def exceptions(self) -> list[str]:
        """What scripts have thrown, without what the console says of other things."""
        marks = ("error:", "warning:")
        return [line for line in self.found.problems if not line.startswith(marks)]


@pytest.fixture
def visitor(shown: Shown, tmp_path: Path) -> Iterator[Visitor]:
    pictures = Path(os.environ.get("HPO_SCREENSHOTS", tmp_path))
    pictures.mkdir(parents=True, exist_ok=True)
    with browser_page(height=800, allowed=(shown.base,)) as found:
        visitor = Visitor(found, pictures)
        yield visitor
        assert visitor.exceptions == []


@pytest.mark.slow
def test_the_page_of_a_study_lists_every_trial_below_it_with_its_score(
    shown: Shown, visitor: Visitor
):
    visitor.opens(shown.experiment + RUNS)
    visitor.waits_for_runs()
    assert list(visitor.rows()) == ["wine"]
    visitor.shows_column("mean_test_score")
    visitor.expands()
    visitor.page.locator(".ag-body-horizontal-scroll-viewport").evaluate(
        "bar => bar.scrollLeft = bar.scrollWidth"
    )
    wait_until(lambda: len(seen_scores(visitor)) == N_TRIALS, 30, "no scores")
    visitor.keeps("experiment")
    stored = shown.scores()
    assert seen_scores(visitor) == {n: pytest.approx(stored[n]) for n in stored}


def seen_scores(visitor: Visitor) -> dict[str, float]:
    column = "metrics.`mean_test_score`"
    texts = {name: row.get(column, "-") for name, row in visitor.rows().items()}
    return {name: float(text) for name, text in texts.items() if text != "-"}


@pytest.mark.slow
def test_the_charts_of_a_study_show_its_curves(shown: Shown, visitor: Visitor):
    visitor.opens(f"{shown.experiment}{RUNS}&compareRunsMode=CHART")
    visitor.waits_for_runs()
    visitor.expands()
    for name in ("best_so_far", "fold_test_score", "loss"):
        points = n_points(visitor, name)
        # One for the study's own run; for each trial, of its folds and its epochs.
        expected = {"best_so_far": 6, "fold_test_score": 6 * 3, "loss": 6 * N_EPOCHS}
        assert points == expected[name], name
    visitor.keeps("charts")


def n_points(visitor: Visitor, metric: str) -> int:
    """Count the points that are drawn in the chart of a metric."""
    chart = visitor.page.get_by_test_id("experiment-view-compare-runs-card").filter(
        has=visitor.page.get_by_text(metric, exact=True)
    )
    chart.locator(".scatterlayer .point").first.wait_for(state="attached")
    time.sleep(1.0)
    return int(chart.locator(".scatterlayer .point").count())


@pytest.mark.slow
def test_the_run_of_a_study_says_what_is_best_and_has_its_files(
    shown: Shown, visitor: Visitor
):
    scores = shown.scores()
    best = max(scores, key=scores.__getitem__)
    run_id = shown.ask("runs", "run_uuid")
    visitor.opens(shown.run_page(run_id))
    visitor.sees(f"accuracy {scores[best]:.4f}")
    visitor.sees("Show more").click()
    text = visitor.page.inner_text("body")
    assert f"is the best of {N_TRIALS} trials: {best} of the random search" in text
    for name in ("hidden_layers", "units", "learning_rate"):
        visitor.sees(name)
    for name, value in [("model", "sklearn-mlp"), ("n_folds", "3"), ("seed", "1")]:
        assert re.search(rf"^{name}\s+{value}$", text, re.MULTILINE), name
    visitor.keeps("study")

    visitor.opens(shown.run_page(run_id, "/artifacts"))
    for file in ("best.json", "study.yaml", "trials.csv", "figures.html"):
        visitor.sees(file)
    visitor.sees("trials.csv").click()
    visitor.sees(f"Previewing the first {N_TRIALS} rows")
    visitor.sees("param_learning_rate")
    visitor.keeps("table")
    n_asked = len(visitor.found.requests)
    visitor.sees("figures.html").click()
    figures = visitor.page.frame_locator("iframe")
    figures.get_by_role("heading", name="What mattered").wait_for()
    figures.locator(".main-svg").first.wait_for(state="attached")
    assert f"{scores[best]:.4f}" in figures.locator("body").inner_text()
    visitor.keeps("figures")
    assert visitor.found.requests[n_asked:] == []


@pytest.mark.slow
def test_the_run_of_a_trial_shows_its_folds_and_its_learning_curve(
    shown: Shown, visitor: Visitor
):
    connection = sqlite3.connect(shown.folder.path / "mlflow.db")
    with contextlib.closing(connection):
        sql = "SELECT run_uuid FROM runs WHERE name = 'trial 2'"
        (run_id,) = connection.execute(sql).fetchone()
    visitor.opens(shown.run_page(run_id))
    visitor.sees("mean_test_score")
    assert f"{shown.scores()['trial 2']:.6f}" in visitor.page.inner_text("body")
    visitor.keeps("trial")
    visitor.page.get_by_role("tab", name="Model metrics").click()
    visitor.sees("loss")
    assert n_points(visitor, "loss") == N_EPOCHS
    assert n_points(visitor, "fold_test_score") == 3
    visitor.keeps("curves")


# hpo ui


@contextlib.contextmanager
def user_interface(folder: Folder, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = folder.start("ui", *words)
    try:
        yield process
    finally:
        for child in [*family_of(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                child.kill()
        process.communicate(timeout=30)


def first_lines(process: subprocess.Popen[str], n: int) -> list[str]:
    """Return the first lines of what it prints; it ends if it prints fewer."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(n)]


@pytest.mark.slow
def test_the_ui_names_the_page_of_each_study_and_ends_with_ctrl_c(
    finished: Folder, tmp_path: Path
):
    port = free_port()
    with user_interface(finished, "--port", str(port), *TRACKING) as process:
        base, page = first_lines(process, 2)
        assert base == f"http://{HOST}:{port}"
        name, address = page.split(": ")
        assert name == "wine"
        experiment = Shown(finished, base).experiment
        assert address == f"{experiment}/runs?workflowType=machine_learning"
        with browser_page(allowed=(base,)) as found:
            visitor = Visitor(found, tmp_path)
            visitor.opens(address)
            visitor.waits_for_runs()
            assert list(visitor.rows()) == ["wine"]
        family = family_of(process)
        assert family
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - began < 15
        wait_until(lambda: not any_alive(family), 5, "a process is left")
    assert not answers(base)


def any_alive(family: list[psutil.Process]) -> bool:
    return any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        for process in family
    )


@pytest.mark.slow
def test_the_ui_takes_the_next_port_if_one_is_taken(finished: Folder):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        words = ("wine", "--port", str(port), *TRACKING)
        with user_interface(finished, *words) as process:
            base, page = first_lines(process, 2)
            assert base != f"http://{HOST}:{port}"
            assert page.startswith(f"wine: {base}/#/experiments/")
            assert answers(base)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
    assert f"port {port} is taken; using {base.rpartition(':')[2]}" in said


@pytest.mark.slow
def test_the_ui_of_a_server_is_only_named(shown: Shown):
    done = shown.folder.hpo("ui", "--tracking", shown.base)
    address = f"{shown.experiment}/runs?workflowType=machine_learning"
    assert done.stdout.splitlines() == [shown.base, f"wine: {address}"]
    missing = shown.folder.hpo("ui", "beer", "--tracking", shown.base, code=2)
    assert f"MLflow at {shown.base} has no study 'beer'" in missing.stderr
    assert "hpo sync 'beer'" in missing.stderr


@pytest.mark.slow
def test_the_ui_says_what_is_missing(tmp_path: Path):
    folder = Folder(tmp_path)
    nothing = folder.hpo("ui", *TRACKING, code=5)
    assert f"there is no {tmp_path}/mlflow.db; run a study here first" in nothing.stderr
    assert list(tmp_path.iterdir()) == []
    none = folder.hpo("ui", "--tracking", "none", code=2)
    assert "--tracking: expected the address of an MLflow" in none.stderr
    away = f"http://{HOST}:{free_port()}"
    gone = folder.hpo("ui", "wine", "--tracking", away, code=5)
    assert f"MLflow at {away}: cannot be reached" in gone.stderr
