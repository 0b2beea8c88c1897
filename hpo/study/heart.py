"""The two clocks of a running study: its running time, and the beat of its lease."""

from __future__ import annotations

import math
import threading
import time

from hpo.errors import LeaseLostError, StoreError
from hpo.study.writing import TrialWriter

NOTE_SECONDS = 1.0


class Clock:
    """How long the study has been running, over all runs, in seconds."""

    def __init__(self, before: float) -> None:
        self._before, self._started = before, time.monotonic()
        self._noted = -math.inf

    @property
    def since_start(self) -> float:
        return time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        return self._before + self.since_start

    def due(self) -> float | None:
        """Return the seconds to note down, or None if that was done a moment ago."""
        if self.since_start - self._noted < NOTE_SECONDS:
            return None
        self._noted = self.since_start
        return self.seconds


class Heart:
    """Renews the lease in the background; survives every error but losing the lease."""

    def __init__(self, writer: TrialWriter, beat_seconds: float) -> None:
        self._writer, self._beat_seconds = writer, beat_seconds
        self._ended = threading.Event()
        self._lost: LeaseLostError | None = None
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=self._beat_seconds)

    def check(self) -> None:
        """Raise `LeaseLostError` if a beat found the lease taken."""
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            try:
                self._writer.beat()
            except LeaseLostError as error:
                self._lost = error
                return
            except StoreError:
                # The store may come back; the loop's own next write decides.
                continue
