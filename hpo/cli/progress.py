"""The progress of a run: a live bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from hpo.cli.console import duration, err, fitting, number
from hpo.study import Progress
from hpo.study.progress import MAX_ATTEMPTS

LINE_SECONDS = 10.0


class ProgressBar:
    """Shows each `Progress`; to be used as a context manager.

    Args:
        metric: Name of the score.
    """

    def __init__(self, metric: str) -> None:
        self._console = err()
        self._metric = metric
        self._last: Progress | None = None
        self._line_at = time.monotonic()
        self._bar: Bar | None = None
        if self._console.is_terminal:
            columns = (BarColumn(bar_width=20), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("starting workers", total=None)

    def __enter__(self) -> ProgressBar:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the study is now."""
        self._last = progress
        for line in lost_words(progress.lost):
            self._console.print(line, style="yellow", soft_wrap=True)
        if self._bar:
            total = progress.budget and progress.budget * progress.n_folds
            self._bar.update(
                self._task,
                description=self.words(progress),
                completed=progress.n_folds_done,
                total=total,
            )
        elif time.monotonic() - self._line_at > LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(self.words(progress), soft_wrap=True)

    def words(self, progress: Progress) -> str:
        """Word a progress in one line."""
        of = f"/{progress.budget}" if progress.budget else ""
        parts = [f"{progress.n_finished}{of} trials"]
        if progress.best is not None:
            best = number(progress.best.score)
            parts.append(f"best {self._metric} {best} (trial {progress.best.number})")
        if progress.n_running:
            parts.append(f"{progress.n_running} running")
        if progress.n_failed:
            parts.append(f"{progress.n_failed} failed")
        if progress.eta_seconds is not None:
            parts.append(f"{duration(progress.eta_seconds)} left")
        return " · ".join(parts)


def lost_words(lost: Sequence[tuple[int, int, str]]) -> list[str]:
    """Word a line for each way in which workers ended; see `hpo.study.Progress`."""
    lines = []
    for reason in dict.fromkeys(why for _, _, why in lost):
        numbers = [number for number, _, why in lost if why == reason]
        folds = "1 fold" if len(numbers) == 1 else f"{len(numbers)} folds"
        which = [str(number) for number in dict.fromkeys(numbers)]
        trials = f"trial{'s' if len(which) > 1 else ''} {fitting(which, 30)}"
        lines.append(
            f"warning: {reason} with {folds} of {trials} in training; each is tried up "
            f"to {MAX_ATTEMPTS} times"
        )
    return lines
