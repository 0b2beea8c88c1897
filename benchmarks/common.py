"""What the benchmarks share: the machine, tables, and no-op work.

It measures nothing about hpo itself. Every benchmark prints a `Report` and, asked with
``--markdown FILE``, writes the same into FILE between its marks.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def make_space() -> Any:
    """Return six hyperparameters: three floats, two on a log scale, one integer."""
    from hpo.space import Float, Int, Space

    return Space(
        dropout=Float(0, 0.5),
        momentum=Float(0, 0.99),
        shape=Float(-1, 1),
        learning_rate=Float(1e-4, 1e-1, log=True),
        l2=Float(1e-6, 1e-2, log=True),
        units=Int(8, 256),
    )


def suggest(trial: Any) -> dict[str, Any]:
    """Return params of the same space as `make_space`, asked of an Optuna trial."""
    return {
        "dropout": trial.suggest_float("dropout", 0, 0.5),
        "momentum": trial.suggest_float("momentum", 0, 0.99),
        "shape": trial.suggest_float("shape", -1, 1),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        "l2": trial.suggest_float("l2", 1e-6, 1e-2, log=True),
        "units": trial.suggest_int("units", 8, 256),
    }


def smooth_score(params: Any, fold: int) -> float:
    """Return a score that costs microseconds and has one best place."""
    import math

    return (
        1.0
        - (params["dropout"] - 0.2) ** 2
        - 0.1 * (params["momentum"] - 0.9) ** 2
        - 0.1 * (params["shape"] - 0.3) ** 2
        - 0.02 * (math.log10(params["learning_rate"]) + 2) ** 2
        - 0.005 * (math.log10(params["l2"]) + 4) ** 2
        - 0.1 * (params["units"] / 256 - 0.5) ** 2
        + 0.001 * fold
    )


def make_runner(work: str = "none", seconds: float = 0.0) -> Callable[[Any], Any]:
    """Return what a worker runs for each group; workers import this module.

    Args:
        work: ``none``, ``sleep`` or ``burn`` (processor time, not wall time).
        seconds: Of each fold.
    """
    from hpo.records import FoldResult

    def run(group: Any) -> Any:
        results = []
        for pair in group:
            spend(work, seconds)
            score = smooth_score(pair.params, pair.fold)
            metrics = {"accuracy": score}
            result = FoldResult(
                pair.fold,
                score=score,
                train_score=score,
                metrics=metrics,
                train_metrics=metrics,
                engine="no-op",
            )
            results.append((pair.number, result))
        return results

    return run


def spend(work: str, seconds: float) -> None:
    """Sleep, or use the processor, for so many seconds."""
    if work == "sleep":
        time.sleep(seconds)
    elif work == "burn":
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass


DOCUMENT = {
    "data": {"source": "sklearn.digits"},
    "space": {
        "dropout": {"float": [0, 0.5]},
        "momentum": {"float": [0, 0.99]},
        "shape": {"float": [-1, 1]},
        "learning_rate": {"float": [1e-4, 1e-1], "log": True},
        "l2": {"float": [1e-6, 1e-2], "log": True},
        "units": {"int": [8, 256]},
    },
    "search": {"strategy": "random", "defaults_first": False},
}
"""What a study of `make_space` is, as far as MLflow is told."""


def study_record(name: str, n_folds: int, seed: int) -> Any:
    """Return a study without data."""
    from hpo.records import StudyRecord

    return StudyRecord(
        name=name,
        state="queued",
        document=DOCUMENT,
        text="",
        folder="",
        fingerprint="",
        family="no-op",
        strategy="",
        metric="accuracy",
        task="classification",
        n_folds=n_folds,
        seed=seed,
        engine="local",
        backend="",
        created_at=datetime.now(UTC),
    )


def create_study(store: Any, name: str, n_folds: int, seed: int) -> None:
    """Store a study without data, so that a `StudyLoop` can run it."""
    store.create(study_record(name, n_folds, seed))


def make_loop(
    store: Any,
    name: str,
    strategy: str,
    *,
    seed: int,
    trials: int,
    n_folds: int,
    make_engine: Callable[[], Any],
    observers: Sequence[Callable[[Any], None]],
) -> Any:
    """Put the real loop together over `make_space`, with the default width."""
    from hpo.search import make_strategy
    from hpo.study.groups import Schedule
    from hpo.study.loop import Budget, StudyLoop
    from hpo.study.verdict import Verdict

    chosen = make_strategy(strategy, make_space(), seed=seed)
    return StudyLoop(
        strategy=chosen,
        schedule=Schedule(n_folds, 4, 1, lambda params: None, chosen.sees_scores),
        budget=Budget(trials),
        verdict=Verdict(None, 10),
        make_engine=make_engine,
        writer=store.own(name),
        trials=[],
        active_seconds=0.0,
        observers=observers,
    )


# MLflow


def log_naively(client: Any, experiment: str, content: Any) -> None:
    """Write a trial with one call each for making, filling and ending its run."""
    from mlflow.entities import Metric, Param

    run = client.create_run(
        experiment, start_time=content.start, tags=content.tags, run_name=content.name
    )
    metrics = [Metric(p.key, p.value, p.timestamp, p.step) for p in content.points]
    params = [Param(name, text) for name, text in content.params.items()]
    client.log_batch(run.info.run_id, metrics, params)
    client.set_terminated(run.info.run_id, content.status, content.end)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run MLflow's server, of one worker and on SQLite; give its address."""
    own = folder / f"server-{time.monotonic_ns()}"
    own.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{own / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(own / "artifacts")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    uri = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while not answers(f"{uri}/health"):
            if time.monotonic() > until:
                raise TimeoutError("MLflow's server did not start within 120 s")
            time.sleep(0.2)
        yield uri
    finally:
        # Gently, so that its worker's processor time is counted as ours.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


# The machine


def machine(folder: Path) -> dict[str, str]:
    """Describe this machine and the disk under ``folder``."""
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    fsync, spread = fsync_milliseconds(folder)
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {_file_system(folder)}",
        "disk": f"write 4 KiB and fsync: median {fsync:.2f} ms ({spread})",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.partition(":")[2].strip() for line in lines if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    import psutil

    place = str(folder.resolve())
    mounts = psutil.disk_partitions(all=True)
    over = [p for p in mounts if place.startswith(p.mountpoint.rstrip("/") + "/")]
    return max(over, key=lambda p: len(p.mountpoint)).fstype if over else "unknown"


def fsync_milliseconds(folder: Path, n: int = 100) -> tuple[float, str]:
    """Return the median time of a small durable write, and the middle 80 %."""
    path = folder / "fsync.tmp"
    times = []
    with path.open("wb") as file:
        for _ in range(n):
            started = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - started))
    path.unlink()
    times.sort()
    return statistics.median(
        times
    ), f"10-90 %: {times[n // 10]:.2f}-{times[-n // 10]:.2f}"


@contextmanager
def scratch(folder: Path | None) -> Iterator[Path]:
    """Give a temporary folder for the databases, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="hpo-bench-", dir=folder) as made:
        yield Path(made)


def wait_until_calm(minutes: float, load: float) -> None:
    """Wait until the load average falls below ``load``, at most so many minutes."""
    until = time.monotonic() + 60 * minutes
    while os.getloadavg()[0] >= load and time.monotonic() < until:
        time.sleep(5)


class Watch:
    """How busy the machine was with others while a benchmark ran."""

    def __init__(self) -> None:
        self.load_before = os.getloadavg()
        self._started, self._busy, self._own = time.monotonic(), _busy(), _own()

    def sentence(self) -> str:
        wall = time.monotonic() - self._started
        own = _own() - self._own
        others = max(0.0, _busy() - self._busy - own)
        load = ", ".join(f"{value:.2f}" for value in self.load_before)
        return (
            f"load average before {load}; took {wall:.0f} s, in which other processes "
            f"kept {others / wall:.2f} of {os.cpu_count()} cores busy"
        )


def _busy() -> float:
    import psutil

    t = psutil.cpu_times()
    return float(sum(t) - t.idle - t.iowait - t.guest - t.guest_nice)


def _own() -> float:
    """Processor seconds of this process and its descendants, ended or not."""
    import psutil

    me = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = me.ru_utime + me.ru_stime + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


# Numbers and tables


def summary(values: Sequence[float], digits: int = 2) -> str:
    """Word a median with its range."""
    middle = statistics.median(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Divide round by round, so that what slowed a whole round cancels."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


@dataclass
class Report:
    """What one benchmark prints and writes.

    Args:
        name: Of the benchmark.
        libraries: Distributions whose versions matter.
        seeds: In words.
    """

    name: str
    libraries: Sequence[str]
    seeds: str
    blocks: list[str] = field(default_factory=list)

    def text(self, sentence: str) -> None:
        self._add(sentence)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        cells = [list(head), *([str(c) for c in row] for row in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        lines = [_line(row, widths) for row in cells]
        rule = [f"{'-' * (w - 1)}:" if i else "-" * w for i, w in enumerate(widths)]
        self._add("\n".join([lines[0], _line(rule, widths), *lines[1:]]))

    def _add(self, block: str) -> None:
        print(block + "\n", flush=True)
        self.blocks.append(block)

    def head(self, folder: Path) -> None:
        """Say where and with what this runs."""
        rows = list(machine(folder).items())
        names = ("hpo", *self.libraries)
        rows.append(("Python", platform.python_version()))
        rows.append(("libraries", ", ".join(f"{n} {version(n)}" for n in names)))
        rows.append(("seeds", self.seeds))
        rows.append(("date", datetime.now(UTC).strftime("%Y-%m-%d")))
        self.text(
            f"    .venv/bin/python benchmarks/{self.name}.py {_arguments()}".rstrip()
        )
        self._add("\n".join(f"- {name}: {what}" for name, what in rows))

    def write(self, path: Path | None, section: str | None = None) -> None:
        """Put the report into ``path``, between its marks if it has any."""
        if path is None:
            return
        name = section or self.name
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        body = f"{begin}\n\n" + "\n\n".join(self.blocks) + f"\n\n{end}"
        old = path.read_text() if path.exists() else ""
        if begin in old and end in old:
            before, _, rest = old.partition(begin)
            new = before + body + rest.partition(end)[2]
        else:
            new = (old.rstrip() + "\n\n" if old else "") + body + "\n"
        path.write_text(new)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        c.ljust(w) if i == 0 else c.rjust(w)
        for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"


def _arguments() -> str:
    """Return the command line but for where the report goes."""
    kept: list[str] = []
    skip = False
    for argument in sys.argv[1:]:
        named = argument.split("=")[0] in ("--markdown", "--section", "--calm")
        if not (skip or named):
            kept.append(argument)
        skip = named and "=" not in argument
    return " ".join(kept)


def parser(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--folder", type=Path, help="where the databases are put")
    made.add_argument("--markdown", type=Path, help="file to write the report into")
    made.add_argument(
        "--section", help="its marks there; default: the benchmark's name"
    )
    made.add_argument(
        "--calm",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="first wait so long for a load average below 1",
    )
    return made
