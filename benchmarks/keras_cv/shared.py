"""What the Keras benchmarks share: data, new processes, hpo's side, turns and tables.

The loops that hpo is compared with are in `peers`. Started as a script, this module is
a new process that calls one function of a benchmark and writes what it returned: so
every measurement has a process of its own, and Keras the backend it was asked for.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import common  # noqa: E402  # it lies a folder higher

N_FOLDS = 5
EPOCHS = 30
N_PROCESSES = os.cpu_count() or 1
NETWORK: dict[str, Any] = {
    "hidden_layers": 2,
    "units": 64,
    "dropout": 0.2,
    "l2": 1e-4,
    "learning_rate": 1e-3,
    "batch_size": 32,
    "epochs": EPOCHS,
}
"""The network of the goals: hyperparameters of `keras-mlp`."""
OTHER = {"units": 24, "activation": "tanh", "epochs": 2}
"""Makes of `NETWORK` one whose programs are of no use to it."""
LIBRARIES = ("keras", "tensorflow", "jax", "numpy", "scikit-learn")

Fold = tuple[Any, Any, Any, Any]
"""X and y to train on, X and y to judge by."""


def digits(seed: int) -> list[Fold]:
    """Return the folds of the digits, each scaled as its own training rows ask."""
    from sklearn.datasets import load_digits

    return scaled_folds(*load_digits(return_X_y=True), seed)


def synthetic(rows: int, seed: int) -> list[Fold]:
    """Return the folds of two classes in 20 columns."""
    from sklearn.datasets import make_classification

    return scaled_folds(*make_classification(rows, 20, random_state=seed), seed)


def images(seed: int) -> list[Fold]:
    """Return the folds of the digits as images of shape (8, 8, 1), from 0 to 1."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return [_cut(X.reshape(-1, 8, 8, 1) / 16, y, *fold) for fold in _split(X, y, seed)]


def scaled_folds(X: Any, y: Any, seed: int) -> list[Fold]:
    from sklearn.preprocessing import StandardScaler

    made = []
    for train, rest in _split(X, y, seed):
        scaler = StandardScaler().fit(X[train])
        made.append(_cut(scaler.transform(X), y, train, rest))
    return made


def _split(X: Any, y: Any, seed: int) -> Any:
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, y)


def _cut(X: Any, y: Any, train: Any, rest: Any) -> Fold:
    return X[train], y[train], X[rest], y[rest]


# hpo's side, in a process that lives on


def family(name: str = "keras-mlp") -> Any:
    """Return a family that has imported what it needs; builders lie in this folder."""
    from hpo.models import get_family
    from hpo.user_code import Home

    made = get_family(name, home=Home(HERE))
    made.warm_up()
    return made


def train(
    family: Any, networks: Sequence[tuple[Mapping[str, Any], Fold]], seed: int
) -> tuple[float, list[float], str]:
    """Train networks in one group and score each on the rows left out.

    Returns:
        Seconds of both, the accuracies, and what trained them.

    Raises:
        RuntimeError: A network of `keras-mlp` was not trained in a stack, so that the
            seconds would be those of something else.
    """
    from hpo.models import FitRequest

    requests = [
        FitRequest(params, X, y, "classification", len(set(y.tolist())), seed + index)
        for index, (params, (X, y, _, _)) in enumerate(networks)
    ]
    started = time.perf_counter()
    fitted = family.fit_group(requests)
    for result in fitted:
        if isinstance(result, Exception):
            raise result
        if family.name == "keras-mlp" and not result.engine.endswith(" stacked"):
            raise RuntimeError(f"expected stacks; got {result.engine}")
    scores = [
        float((result.model.predict(fold[2]) == fold[3]).mean())
        for result, (_, fold) in zip(fitted, networks, strict=True)
    ]
    return time.perf_counter() - started, scores, fitted[0].engine


# hpo's side, as a command


def study(
    space: Mapping[str, Any], search: Mapping[str, Any], *, backend: str, jobs: int
) -> dict[str, Any]:
    """Return a study of `keras-mlp` on the digits."""
    return {
        "name": "keras-cv",
        "data": {"source": "sklearn.digits", "test_size": 0.0},
        "model": "keras-mlp",
        "space": dict(space),
        "search": dict(search),
        "evaluation": {"folds": N_FOLDS, "metric": "accuracy"},
        "engine": {"jobs": jobs, "backend": backend},
    }


def start_study(folder: Path, document: Mapping[str, Any]) -> subprocess.Popen[str]:
    """Start `hpo run` in a folder that has nothing in it but the study file.

    Compiled programs that hpo keeps for the user are kept beside the folder instead.
    """
    folder.mkdir(parents=True)
    # JSON is YAML.
    (folder / "study.yaml").write_text(json.dumps(document))
    hpo = Path(sys.executable).parent / "hpo"
    return subprocess.Popen(
        [str(hpo), "run", "study.yaml", "--tracking", "none"],
        cwd=folder,
        env=_environment(None) | {"XDG_CACHE_HOME": str(folder.parent / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_study(folder: Path, document: Mapping[str, Any]) -> tuple[float, list[Any]]:
    """Return the seconds of the whole command, and the study's trials.

    Raises:
        ChildError: The command failed, or a trial did, or one was not trained in a
            stack.
    """
    started = time.perf_counter()
    process = start_study(folder, document)
    _, errors = process.communicate()
    took = time.perf_counter() - started
    if process.returncode:
        raise ChildError(errors)
    return took, stacked_trials(folder)


def stacked_trials(folder: Path) -> list[Any]:
    """Return the trials of a study that has ended.

    Raises:
        ChildError: A trial failed, or was not trained in a stack.
    """
    from hpo.store import Store

    store = Store(f"sqlite:///{folder / 'hpo.db'}")
    trials = list(store.trials("keras-cv"))
    store.close()
    if not all(trial.state == "complete" for trial in trials):
        raise ChildError("a trial failed")
    for engine in {fold.engine for trial in trials for fold in trial.folds}:
        if not engine.endswith(" stacked"):
            raise ChildError(f"expected stacks; got {engine}")
    return trials


# New processes


class ChildError(Exception):
    """A process that was to be measured failed; its last line of errors says why."""

    def __init__(self, errors: str) -> None:
        lines = [line.strip(" │╭╮╰╯─") for line in errors.splitlines()]
        super().__init__(next((x for x in reversed(lines) if x), "no word of why"))


def fresh(
    function: Callable[..., Any],
    *,
    backend: str,
    pinned: bool = False,
    **arguments: Any,
) -> Any:
    """Call a function of a benchmark in a new process; return what it returned.

    Raises:
        ChildError: It raised.
    """
    return together(function, [arguments], backend=backend, pinned=pinned)[0]


def together(
    function: Callable[..., Any],
    each: Sequence[Mapping[str, Any]],
    *,
    backend: str,
    pinned: bool = False,
) -> list[Any]:
    """Call a function in several new processes at once, each with its own arguments.

    Programs that hpo keeps for the user in a cache are not there, and are not kept.

    Args:
        function: Of a module of this folder; takes and returns what JSON can hold.
        each: The arguments of each process.
        backend: Keras' backend there.
        pinned: Give each process a core of its own.
    """
    module = Path(inspect.getfile(function)).stem
    with tempfile.TemporaryDirectory(prefix="hpo-bench-") as folder:
        started = []
        for number, arguments in enumerate(each):
            task = {
                "module": module,
                "function": function.__name__,
                "arguments": arguments,
                "core": number if pinned else None,
                "meeting": [folder, len(each)],
                "answer": str(Path(folder, f"{number}.json")),
            }
            process = subprocess.Popen(
                [sys.executable, str(HERE / "shared.py"), json.dumps(task)],
                env=_environment(backend) | {"XDG_CACHE_HOME": folder},
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append((process, Path(task["answer"])))
        ended = [(p.communicate()[1], p.returncode, answer) for p, answer in started]
        for errors, code, _ in ended:
            if code:
                raise ChildError(errors)
        return [json.loads(answer.read_text()) for _, _, answer in ended]


def _environment(backend: str | None) -> dict[str, str]:
    chosen = {"KERAS_BACKEND", "HPO_THREADS", "HPO_STORE", "JAX_COMPILATION_CACHE_DIR"}
    kept = {name: text for name, text in os.environ.items() if name not in chosen}
    kept |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return kept | ({"KERAS_BACKEND": backend} if backend else {})


_meeting: list[Any] = []


def meet() -> None:
    """Wait until every process that was started together has come this far."""
    folder, n_expected = Path(_meeting[0]), _meeting[1]
    (folder / f"{os.getpid()}.here").touch()
    while len(list(folder.glob("*.here"))) < n_expected:
        time.sleep(0.005)


def _serve(task: Mapping[str, Any]) -> None:
    if task["core"] is not None and hasattr(os, "sched_setaffinity"):
        # TensorFlow has as many threads as it sees cores.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[task["core"] % len(cores)]})
    module = importlib.import_module(task["module"])
    # The module's own import of this file is another one than this script.
    module.shared._meeting[:] = task["meeting"]
    answer = getattr(module, task["function"])(**task["arguments"])
    Path(task["answer"]).write_text(json.dumps(answer))


# Turns and tables


@dataclass
class Times:
    """Seconds by row, a value a round, and what could not be measured."""

    rows: dict[str, list[float]]
    missing: dict[str, str]

    def least(self, *names: str) -> str | None:
        """Return the row, out of ``names``, with the least median."""
        there = [name for name in names if name in self.rows]
        return min(there, key=lambda n: statistics.median(self.rows[n]), default=None)

    def gain(self, name: str, peer: str | None) -> list[float]:
        """Return how many times faster a row is than a peer, round by round."""
        if name not in self.rows or peer not in self.rows:
            return []
        return common.ratios(self.rows[peer], self.rows[name])


def take_turns(
    variants: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int
) -> Times:
    """Run each variant once a round, beginning with another one each time.

    A variant gives the seconds of one row or several. One that fails is left out of the
    rest, and its reason is kept.
    """
    times = Times({}, {})
    names = list(variants)
    for index in range(rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            if name in times.missing:
                continue
            try:
                for row, seconds in variants[name]().items():
                    times.rows.setdefault(row, []).append(seconds)
            except ChildError as error:
                times.missing[name] = str(error)
        print(f"  round {index + 1} of {rounds}", flush=True)
    # A row with fewer rounds than the others cannot be compared with them.
    times.rows = {n: v for n, v in times.rows.items() if len(v) == rounds}
    return times


def short(values: Sequence[float]) -> str:
    """Word a median with its range in three digits or so; an empty text for none."""
    if not values:
        return ""
    middle = statistics.median(values)
    return common.summary(values, 0 if middle >= 100 else 1 if middle >= 2 else 2)


def middle(values: Sequence[float]) -> str:
    """Word a median alone."""
    return short([statistics.median(values)]) if values else ""


def show_missing(report: common.Report, times: Times) -> None:
    for name, reason in times.missing.items():
        report.text(f"Not measured: {name}: {reason}.")


def goal(words: str, gains: Sequence[float], wanted: float) -> str:
    """Word what is to be reached, and whether it was."""
    if not gains:
        return f"{words}: to reach {wanted:g} x, not measured"
    middle = statistics.median(gains)
    reached = "reached" if middle >= wanted else "not reached"
    return f"{words}: to reach {wanted:g} x, got {middle:.1f} x, {reached}"


def parser(description: str | None, *, rounds: int = 3) -> Any:
    """Return the parser of the other benchmarks, with a way to try one out."""
    made = common.parser(description, rounds=rounds)
    made.add_argument(
        "--quick", action="store_true", help="tiny and once: the numbers mean nothing"
    )
    return made


def begin(name: str, options: Any, folder: Path) -> tuple[common.Report, common.Watch]:
    """Start a report; a quick one says that it is no measurement."""
    common.wait_until_calm(options.calm, 1.0)
    report = common.Report(f"keras_cv/{name}", LIBRARIES, f"{options.seed}")
    report.head(folder)
    if options.quick:
        report.text("A try-out: these numbers mean nothing.")
    return report, common.Watch()


def close(report: common.Report, watch: common.Watch, options: Any, words: str) -> None:
    """Say how it was measured, and write the report."""
    report.text(
        f"{words} Medians of {options.rounds} rounds, with (least-greatest); a ratio "
        f"is taken within each round. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
