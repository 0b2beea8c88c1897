"""Fuzz the reading of study files: any text gets a study or a clear error.

Texts are mutations of the examples in ``studies/``, of small made ones and of raw
bytes, read by a child process with limits on time and memory. A text is at fault if
reading it raises anything but `hpo.errors.SpecError`, warns, takes over a second of
processor time, takes over 200 MB or kills the process; it is saved and told. Measures
nothing of what runs after a study was read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "fuzz.json"
BATCH = 200
MAX_SECONDS, MAX_MEGABYTES = 1.0, 200
KILLED_AFTER = 20
"""Seconds of processor time without an answer: others may keep the machine busy."""

MADE = [
    "name: a\ndata: {source: a.csv, target: [y, z], group: g}\ntask: regression\n"
    "model: sklearn-mlp\nspace:\n  units: &u [8, 16]\n  epochs: *u\n"
    "evaluation: {split: group, repeats: 3, metrics: [r2]}\n",
    "name: b\ndata:\n  source: {sklearn.moons: {noise: 0.2, n_samples: 500}}\n"
    "  order: t\nmodel: {builder: 'net:build'}\nspace:\n"
    "  hidden_layers: {int: [0, 3]}\n"
    "  units: {int: [8, 64], log: true, points: 3, repeat: hidden_layers}\n"
    "  dropout: {float: [0, 0.5], step: 0.1, when: {hidden_layers: [1, 2]}}\n"
    "search: {strategy: grid, timeout: 1h30m}\nengine: {jobs: 2, threads: 1}\n",
    "name: c\ndata: {source: x.parquet, target: y}\nmodel: sklearn.svm.SVC\nspace:\n"
    "  C: {float: [1e-3, 1e3], log: true, points: 4}\n  kernel: [rbf, linear, null]\n"
    "  gamma: {choices: [scale, auto], when: {kernel: [rbf]}}\n",
]
ODD = [
    *("", "~", "null", "true", "NO", "0", "-1", "1e999", "-.inf", ".nan", "1e-400"),
    *("9007199254740993", "9" * 4000, "0x" + "f" * 4000, "0o7", "1_000", "2024-01-01"),
    *("1e300", "1.8e308", "5e-324", "'", '"', '"\\ud800"', '"\\UFFFFFFFF"', '"\\a"'),
    *("[]", "{}", "[[]]", "{a: }", "[1, 2]", "[1, true, 1.0]", "*a", "&a", "&a [*a]"),
    *("!!python/object:os.system x", "!", "!x y", "|", ">", "? a", "- b", ": c", "<<"),
    *("{int: [0, 9e15]}", "{int: [1, 64]}", "{float: [0, 1], step: 1e-6}"),
    *("{float: [1e-300, 1e300], log: true, points: 9}", "{float: [0, 1]}"),
    *("{choices: [1, 2], when: {units: 8}}", "{value: null, repeat: hidden_layers}"),
    *("\u202e", "ﬁ", "\u0000", "\u2028", "\ufeff", "\x85", "é" * 50, "x" * 5000),
    *("a:b", "net:build", "../x", "/etc/passwd", "sklearn.svm.SVR", "sklearn.x.Y"),
    *("group", "time", "{sklearn.moons: {noise: []}}", "{a: 1, b: 2}", "[y, z, y]"),
]
LINES = ["%YAML 1.1", "%TAG ! x:", "---", "...", "<<: {a: 1}", "\t", "# x", "? [a]"]


def corpus() -> list[str]:
    """Return the studies that mutations start from."""
    return [f.read_text() for f in sorted(ROOT.glob("studies/**/*.yaml"))] + MADE


def odd_value(rng: random.Random) -> str:
    return rng.choice(ODD)


def replace_value(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    key, colon, _ = lines[place].partition(":")
    lines[place] = f"{key}{colon or ':'} {odd_value(rng)}"


def replace_word(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    words = lines[place].split(" ")
    words[rng.randrange(len(words))] = odd_value(rng)
    lines[place] = " ".join(words)


def delete_line(lines: list[str], rng: random.Random) -> None:
    if len(lines) > 1:
        del lines[rng.randrange(len(lines))]


def repeat_line(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    times = rng.choice([*[1] * 12, *[2] * 6, 50, 2000])
    many = [lines[place]] * times
    if rng.random() < 0.5:  # under other names
        many = [line.replace(":", f"{n}:", 1) for n, line in enumerate(many)]
    lines[place:place] = many


def swap_lines(lines: list[str], rng: random.Random) -> None:
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]


def indent_line(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    lines[place] = rng.choice(["", " ", "  ", "\t", " " * 30]) + lines[place].lstrip()


def add_line(lines: list[str], rng: random.Random) -> None:
    line = rng.choice(LINES) if rng.random() < 0.5 else f"  {odd_value(rng)}: 1"
    lines.insert(rng.randrange(len(lines) + 1), line)


def nest_value(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    depth = rng.choice([2, 19, 25, 3000])
    opening, closing = rng.choice([("[", "]"), ("{a: ", "}"), ("- ", "")])
    key = lines[place].partition(":")[0]
    lines[place] = f"{key}: {opening * depth}1{closing * depth}"


def widen_value(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    word = rng.choice(["{n}", "x{n}", "[{n}]", "*a", "&a{n} {n}", "1"])
    n_values = rng.choice([*[3] * 10, *[10] * 10, 300, 4000])
    many = ", ".join(word.format(n=n) for n in range(n_values))
    lines[place] = f"{lines[place].partition(':')[0]}: [{many}]"


def edit_letters(lines: list[str], rng: random.Random) -> None:
    place = rng.randrange(len(lines))
    line = lines[place]
    at = rng.randrange(len(line) + 1)
    signs = "[]{}:,&*!|>'\"%@`#?-~\\ \t\n\r\x00\x1b0.eE+"
    lines[place] = line[:at] + rng.choice(signs) + line[at + rng.randrange(2) :]


def add_chain(lines: list[str], rng: random.Random) -> None:
    length = rng.choice([*[5] * 15, 100, 300])
    close = rng.random() < 0.3
    order = list(range(length))
    if rng.random() < 0.5:
        order.reverse()
    parent = {n: n - 1 if n else length - 1 for n in range(length)}
    made = [
        f"  h{n}: {{choices: [1, 2], when: {{h{parent[n]}: [1]}}}}"
        if n or close
        else "  h0: [1, 2]"
        for n in order
    ]
    place = next((n for n, line in enumerate(lines) if "space:" in line), 0)
    lines[place + 1 : place + 1] = made


MUTATIONS: list[Callable[[list[str], random.Random], None]] = [
    *(replace_value, replace_value, replace_word, replace_word, edit_letters),
    *(delete_line, repeat_line, swap_lines, indent_line, add_line, nest_value),
    *(widen_value, edit_letters, add_chain),
]


def mutated(texts: list[str], rng: random.Random) -> bytes:
    """Make one text to read."""
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.choice([1, 20, 400]))
    if kind < 0.10:
        letters = "ab:{}[]-?&*!|>'\"%#, \n\t0"
        size = rng.choice([5, 60, 5000])
        return "".join(rng.choices(letters, k=size)).encode()
    lines = rng.choice(texts).split("\n")
    if kind < 0.15:  # two studies in one
        other = rng.choice(texts).split("\n")
        lines = lines[: rng.randrange(len(lines) + 1)] + other or [""]
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        rng.choice(MUTATIONS)(lines, rng)
    content = (
        rng.choice(["\n", "\n", "\n", "\r\n", "\r"])
        .join(lines)
        .encode("utf-8", "surrogatepass")
    )
    if kind > 0.95:  # broken bytes
        place = rng.randrange(len(content) + 1)
        content = content[:place] + rng.randbytes(2) + content[place + 1 :]
    return content[:1_000_000]


@dataclass
class Tally:
    """What came of the texts so far."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    slowest: str = ""
    peak_megabytes: float = 0.0
    messages: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)


def read_one(file: Path, content: bytes) -> dict[str, Any]:
    """Read one text and say what came of it."""
    from hpo.errors import SpecError
    from hpo.spec import parse_study, read_study

    file.write_bytes(content)
    started = time.process_time()
    messages: list[str] = []
    fault = None
    try:
        spec = read_study(file)
    except SpecError as error:
        messages = [problem.what for problem in error.problems]
        if not messages or not all(messages):
            fault = "an error without a message"
    except BaseException:
        fault = traceback.format_exc()
    seconds = time.process_time() - started
    if fault is None and not messages:
        try:
            again = parse_study(spec.to_document(), folder=spec.folder)
            if again != spec:
                fault = "the canonical document gives another study"
        except BaseException:
            fault = traceback.format_exc()
    if fault is None and seconds > MAX_SECONDS:
        fault = f"took {seconds:.2f} s"
    return {"seconds": seconds, "messages": messages, "fault": fault}


def run_batch(seed: int, texts: list[str], folder: Path) -> None:
    """Read one batch, in the child; tell of each text as soon as it is read."""
    rng = random.Random(seed)
    file = folder / "study.yaml"
    at_first = peak_megabytes()
    with (folder / "told.jsonl").open("w") as told:
        for n in range(BATCH):
            outcome = read_one(file, mutated(texts, rng))
            outcome["megabytes"] = peak_megabytes() - at_first
            if outcome["megabytes"] > MAX_MEGABYTES and not outcome["fault"]:
                outcome["fault"] = f"took {outcome['megabytes']:.0f} MB"
            told.write(json.dumps({"n": n, **outcome}) + "\n")
            told.flush()


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(seed: int, texts: list[str], folder: Path) -> str | None:
    """Run a batch in a fork with limits; return how it died, if it did."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(BATCH * 50)
        size = int(peak_megabytes() * 2**20) + 3 * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        status = 1
        try:
            warnings.simplefilter("error")
            run_batch(seed, texts, folder)
            status = 0
        finally:
            os._exit(status)
    import psutil

    child = psutil.Process(pid)
    last, since = -1, 0.0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return None if status == 0 else f"died with status {status}"
        size, used = (folder / "told.jsonl").stat().st_size, sum(child.cpu_times()[:2])
        if size != last:
            last, since = size, used
        if used - since > KILLED_AFTER:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return f"used {KILLED_AFTER} s of processor time"
        time.sleep(0.02)


def nth_text(seed: int, texts: list[str], n: int) -> bytes:
    """Make the n-th text of a batch again."""
    rng = random.Random(seed)
    return [mutated(texts, rng) for _ in range(n + 1)][-1]


def add_batch(tally: Tally, seed: int, texts: list[str], folder: Path) -> None:
    """Run one batch and count what came of it."""
    told = folder / "told.jsonl"
    told.write_text("")
    died = in_child(seed, texts, folder)
    outcomes = [json.loads(line) for line in told.read_text().splitlines()]
    if died:
        outcomes.append(
            {"n": len(outcomes), "seconds": 0, "megabytes": 0, "fault": died}
            | {"messages": []}
        )
    for outcome in outcomes:
        tally.cases += 1
        tally.accepted += not outcome["messages"] and not outcome["fault"]
        tally.refused += bool(outcome["messages"])
        tally.messages.update({shape(m) for m in outcome["messages"]})
        tally.peak_megabytes = max(tally.peak_megabytes, outcome["megabytes"])
        slow = outcome["seconds"] > tally.slowest_seconds
        if slow or outcome["fault"]:
            text = nth_text(seed, texts, outcome["n"]).decode("utf-8", "replace")
        if slow:
            tally.slowest_seconds, tally.slowest = outcome["seconds"], text[:2000]
        if outcome["fault"]:
            what = outcome["fault"].strip()
            tally.faults.append({"seed": seed, "n": outcome["n"], "what": what})
            tally.faults[-1]["text"] = text[:200_000]
            print(f"fault: {what.splitlines()[-1]}  (seed {seed}, text {outcome['n']})")


def shape(message: str) -> str:
    """Return a message without what is particular to one text."""
    expected = message.partition("; got")[0].partition("'")[0]
    return "".join("9" if c.isdigit() else c for c in expected)[:60]


def record(tally: Tally, seed: int, minutes: float, started: float) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    return {
        **{key: value for key, value in asdict(tally).items() if key != "messages"},
        "distinct_messages": len(tally.messages),
        "most_frequent_messages": dict(tally.messages.most_common(20)),
        "seed": seed,
        "minutes_asked": minutes,
        "seconds": round(time.monotonic() - started, 1),
        "limits": {"seconds": MAX_SECONDS, "megabytes": MAX_MEGABYTES},
        "python": platform.python_version(),
        "libraries": {n: version(n) for n in ("ruamel.yaml", "pydantic")},
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }


def save(file: Path, data: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_suffix(".tmp")
    made.write_text(json.dumps(data, indent=1) + "\n")
    made.replace(file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    # What is imported once is no part of the time or memory of one text.
    import sklearn.linear_model
    import sklearn.neural_network
    import sklearn.svm
    import sklearn.utils.discovery  # noqa: F401

    texts = corpus()
    tally, started, batch = Tally(), time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="hpo-fuzz-") as made:
        for text in texts:
            read_one(Path(made) / "study.yaml", text.encode())
        while time.monotonic() - started < 60 * given.minutes:
            add_batch(tally, given.seed * 1_000_000 + batch, texts, Path(made))
            batch += 1
            if batch % 10 == 0:
                save(given.result, record(tally, given.seed, given.minutes, started))
    save(given.result, record(tally, given.seed, given.minutes, started))
    rows = {
        "texts": tally.cases,
        "studies": tally.accepted,
        "refused": tally.refused,
        "distinct messages": len(tally.messages),
        "slowest, s": f"{tally.slowest_seconds:.2f}",
        "peak, MB more": f"{tally.peak_megabytes:.0f}",
        "faults": len(tally.faults),
    }
    for name, value in rows.items():
        print(f"{name:<18} {value:>10}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
