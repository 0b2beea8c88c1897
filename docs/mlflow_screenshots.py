"""Make the pictures of MLflow's pages that the documentation shows.

``python docs/mlflow_screenshots.py`` runs studies/digits.yaml in a temporary folder,
starts `hpo ui` there, and writes docs/mlflow-runs.png and docs/mlflow-charts.png. It
needs Chromium, and the packages playwright and pillow. ``--folder FOLDER`` takes a
folder in which the study has been run already.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
STUDY = DOCS.parent / "studies" / "digits.yaml"
TRACKING = ("--tracking", "sqlite:///mlflow.db")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A mouse, which a browser without a screen does not have: charts hide their buttons.
MOUSE = (
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,"
    "primaryPointerType=4,availablePointerTypes=4"
)
HIDDEN = ("Dataset", "Source", "Models")
COLUMNS = ("mean_test_score", "std_test_score", "optimizer", "learning_rate", "units")
N_COLOURS = 256


def hpo(*words: str) -> list[str]:
    """Return a command of hpo."""
    return [sys.executable, "-m", "hpo", *words]


@contextlib.contextmanager
def page_of_study(folder: Path) -> Iterator[str]:
    """Serve MLflow's pages, and yield the address of the study's."""
    ui = subprocess.Popen(
        hpo("ui", *TRACKING), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert ui.stdout is not None
        ui.stdout.readline()
        yield ui.stdout.readline().strip().partition(": ")[2]
    finally:
        ui.send_signal(signal.SIGINT)
        ui.communicate(timeout=60)


def choose_columns(page: Any) -> None:
    """Show the columns that say most about a trial, and no others."""
    page.get_by_role("button", name="Columns").click()
    chooser = page.get_by_role("dialog")
    for name in (*HIDDEN, *COLUMNS):
        chooser.get_by_placeholder("Search columns").fill(name)
        chooser.get_by_text(name, exact=True).first.click()
    page.keyboard.press("Escape")


def save(page: Any, name: str) -> None:
    """Write what is seen as a small file."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    small = picture.quantize(N_COLOURS, dither=Image.Dither.NONE)
    small.save(DOCS / name, optimize=True)


def take(page: Any, address: str) -> None:
    """Take both pictures."""
    page.set_default_timeout(60_000)
    page.goto(f"{address}&orderByKey=attributes.start_time&orderByAsc=false")
    page.get_by_role("button", name="Close", exact=True).click()
    page.locator(".ag-row").first.wait_for()
    choose_columns(page)
    page.locator(".ag-row button").first.click()
    page.get_by_text("trial 0", exact=True).wait_for(state="attached")
    save(page, "mlflow-runs.png")
    page.locator("label:has(input[value=CHART])").click()
    page.locator(".scatterlayer .point").first.wait_for(state="attached")
    save(page, "mlflow-charts.png")


def main() -> None:
    """Run the study unless that is done, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the study has been run")
    given = parser.parse_args().folder
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with contextlib.ExitStack() as stack:
        folder = given or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if given is None:
            subprocess.run(
                hpo("run", str(STUDY), *TRACKING), cwd=folder, check=True, timeout=1800
            )
        address = stack.enter_context(page_of_study(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", MOUSE]
        )
        stack.callback(browser.close)
        take(browser.new_page(viewport={"width": 1280, "height": 800}), address)


if __name__ == "__main__":
    main()
