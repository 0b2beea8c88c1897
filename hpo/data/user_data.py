"""Load data from a function of the user's, which runs in a process of its own.

It owns that process: it ends with this one, and its code is never imported here. What
the function may return is `hpo.data.returned`'s to say.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hpo.data.wish import Wish
from hpo.errors import DataError, HpoError, Problem, SpecError
from hpo.records import Dataset
from hpo.user_code import why_not_found

FAREWELL_SECONDS = 5.0
"""How long the process may take to end after it has answered."""

# Not multiprocessing: it would run the main script again, and so needs it guarded. -P
# keeps the working folder out of the path, where any file could stand in for a library.
_COMMAND = (
    "import pickle, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "sys.path[:] = pickle.load(sys.stdin.buffer)\n"
    "from hpo.data.user_child import main\n"
    "main()\n"
)


def load_user(wish: Wish) -> Dataset:
    """Call ``module:function`` with the options and read what it returns.

    What it prints goes to stderr. There is no time limit; an interrupt ends it.

    Raises:
        SpecError: There is no such function, or it may not be used.
        DataError: It fails, its process dies, or what it returns is no data set.
    """
    if what := why_not_found(wish.source, wish.home):
        raise SpecError([Problem("data.source", what)])
    answer = None
    with _child(wish.home.environment) as child:
        try:
            pickle.dump(sys.path, child.stdin)
            pickle.dump(wish, child.stdin)
            child.stdin.flush()
            answer = pickle.load(child.stdout)
            child.wait(FAREWELL_SECONDS)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            child.wait()
        except subprocess.TimeoutExpired:
            pass  # it has answered: what else it does is of no interest
    if answer is None:
        raise DataError(f"data.source: {wish.source}: {_why_dead(child.returncode)}")
    if isinstance(answer, HpoError):
        raise answer
    dataset: Dataset = answer
    return dataset


@contextmanager
def _child(environment: Mapping[str, str]) -> Iterator[Any]:
    """Start the process; it is dead when the block is left, however that happens."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            try:
                pipe.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                continue  # what was not sent is not missed


def _why_dead(returncode: int) -> str:
    if returncode >= 0:
        return (
            f"its process ended with exit status {returncode} before it returned "
            "anything"
        )
    number = -returncode
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    known = number in {int(each) for each in signal.Signals}
    name = signal.Signals(number).name if known else f"signal {number}"
    memory = "; was there too little memory?" if name == "SIGKILL" else ""
    return f"its process was ended by {name} before it returned anything{memory}"
