"""A headless browser without a network, for tests of pages."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file:", "data:", "blob:", "about:")


@dataclass
class BrowserPage:
    """A page of the browser, and what went wrong on it.

    Args:
        page: Playwright's page.
        requests: Addresses outside of this machine's files that were asked for; none
            was answered.
        problems: Errors and warnings of the console, and exceptions of scripts.
    """

    page: Any
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Open a file and wait until it has been loaded."""
        self.page.goto(file.absolute().as_uri(), wait_until="load", timeout=60_000)


def browser_program() -> str | None:
    """Return where a Chromium is, None if there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def browser_page(
    *, width: int = 1280, height: int = 900, allowed: tuple[str, ...] = ()
) -> Iterator[BrowserPage]:
    """Yield a page of a headless Chromium; skip the test where there is none.

    With ``HPO_REQUIRE_BROWSER=1`` in the environment the test fails instead.

    Args:
        width: Of the window in pixels; below 600 it is a phone with a touch screen.
        height: Of the window in pixels.
        allowed: How addresses begin that may be asked for, such as that of a server
            the test has started.
    """
    program = browser_program()
    if program is None:
        if os.environ.get("HPO_REQUIRE_BROWSER") == "1":
            pytest.fail("HPO_REQUIRE_BROWSER is set, but there is no Chromium")
        pytest.skip("needs Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox, as root may not have one.
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        phone = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": height},
            is_mobile=phone,
            has_touch=phone,
            device_scale_factor=2 if phone else 1,
        )
        try:
            yield _watched(context, allowed)
        finally:
            context.close()
            browser.close()


def _watched(context: Any, allowed: tuple[str, ...]) -> BrowserPage:
    found = BrowserPage(context.new_page())

    def route(route: Any) -> None:
        if route.request.url.startswith((*LOCAL, *allowed)):
            route.continue_()
        else:
            found.requests.append(route.request.url)
            route.abort()

    def message(message: Any) -> None:
        # The driver's remark on being simulated says nothing of the page.
        mere = "GL Driver Message" in message.text
        if message.type in ("error", "warning") and not mere:
            found.problems.append(f"{message.type}: {message.text}")

    context.route("**/*", route)
    found.page.on("console", message)
    found.page.on("pageerror", lambda error: found.problems.append(str(error)))
    return found
