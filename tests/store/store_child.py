"""A process of its own that opens, holds and writes a store as it is told.

It is told by lines on its standard input, and answers each with one line of JSON. Run
as a script it is the child; `Child` is its parent's end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ANSWER_SECONDS = 60.0


class Child:
    """The parent's end of a child process; killed when left.

    Args:
        url: The store that it is to use.
        lease_seconds: Of its store.
        options: Of `subprocess.Popen`, for example the user.
    """

    def __init__(self, url: str, lease_seconds: float = 30.0, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "store_child.py"), url, str(lease_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def tell(self, word: str, **values: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([word, values]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Return the next answer; None when the child has ended."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_SECONDS)
        assert ready, f"no answer from process {self.pid} in {ANSWER_SECONDS} s"
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith("\n") else None

    def ask(self, word: str, **values: Any) -> Any:
        self.tell(word, **values)
        return self.answer()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self, *, reap: bool = True) -> None:
        """Kill it with SIGKILL, which it cannot notice."""
        self._process.kill()
        if reap:
            self._process.wait(timeout=30)
        else:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def rest(self) -> list[Any]:
        """Return the answers that a killed child had still given."""
        assert self._process.stdout is not None
        lines = self._process.stdout.read().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait(self) -> int:
        return self._process.wait(timeout=ANSWER_SECONDS)


class _Commands:
    """What a child can be told; each method's result is its answer."""

    def __init__(self, url: str, lease_seconds: float) -> None:
        self.url, self.lease_seconds = url, lease_seconds
        self.store: Any = None
        self.writer: Any = None

    def imported(self) -> str:
        """Get everything slow done first."""
        import psutil  # noqa: F401

        import hpo.store

        return hpo.store.__name__

    def become(self, user: int) -> str:
        """Go on as another user, who may be unable to import anything more."""
        from hpo.store import Store

        self.imported()
        Store("sqlite://").close()
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        return "became"

    def names(self) -> list[str]:
        return [line.name for line in self.store.summaries()]

    def open(self) -> str:
        from hpo.store import Store

        self.store = Store(self.url, lease_seconds=self.lease_seconds)
        return "opened"

    def own(self, name: str) -> str:
        if self.store is None:
            self.open()
        self.writer = self.store.own(name)
        return "owned"

    def start(self, number: int) -> str:
        from hpo.records import Trial
        from hpo.store import Changes

        self.writer.commit(Changes(started=[Trial(number, {"by": os.getpid()})]))
        return "started"

    def take_mirror(self, name: str, destination: str) -> list[Any]:
        if self.store is None:
            self.open()
        mirror = self.store.mirror(name, destination)
        return [mirror.run_id, len(mirror.marks)]

    def release(self) -> str:
        self.writer.release()
        return "released"

    def commit_until_killed(self, first: int) -> str:
        """Answer with the number of each trial once its commit has returned."""
        from store_samples import full_folds, write_trial

        number = first
        while True:
            write_trial(self.writer, number, full_folds(number))
            _answer(number)
            number += 1

    def fill_disk(self, spare: int, first: int) -> dict[str, Any]:
        """Commit until the file may not grow; then give space back and commit once."""
        import resource

        import numpy as np
        from store_samples import make_fold, write_trial

        from hpo.errors import StoreError

        path = Path(self.url.removeprefix("sqlite:///"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (path.stat().st_size + spare, limits[1])
        )
        number, message = first, ""
        while not message:
            big = make_fold(0, predictions=np.zeros(4000))
            try:
                write_trial(self.writer, number, [big])
                number += 1
            except StoreError as error:
                message = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        write_trial(self.writer, number, [make_fold(0)])
        return {"acked": list(range(first, number + 1)), "message": message}

    def die_before(self, statement: str) -> str:
        """End at once, as if killed, when a statement like this is about to run."""
        import sqlalchemy as sa

        @sa.event.listens_for(sa.Engine, "before_cursor_execute")
        def _die(connection: Any, cursor: Any, said: str, *rest: Any) -> None:
            if statement in said:
                os._exit(137)

        return "armed"


def _answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    commands = _Commands(sys.argv[1], float(sys.argv[2]))
    for line in sys.stdin:
        word, values = json.loads(line)
        try:
            _answer(getattr(commands, word)(**values))
        except Exception as error:
            _answer({"error": type(error).__name__, "message": str(error)})


if __name__ == "__main__":
    main()
