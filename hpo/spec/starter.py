"""Write the text of a commented study file from a few facts about a table.

It owns wording, quoting and which space suits which size. It reads no file: the facts
come from the caller, and what it writes is YAML that `hpo.spec.read_study` takes.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from hpo.spec.facts import FOLDS, Facts

COMMENT_COLUMN = 38
WIDTH = 80
SMALL_ROWS, LARGE_ROWS = 500, 20_000
WIDE = 200
MANY_FEATURES = 30
MANY_OTHERS = 5

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# What some reader of YAML takes for something else than text.
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quoted(text: str) -> str:
    """Write a text as a YAML scalar that reads back as the same text.

    Example:
        >>> quoted("price"), quoted("yes"), quoted("a: b"), quoted("3")
        ('price', '"yes"', '"a: b"', '"3"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # Line ends of Unicode, marks of byte order and what cannot be seen.
    if character == " " or character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def study_name(stem: str) -> str:
    """Make a name that a study may have from that of a file.

    Example:
        >>> study_name("my data (2)"), study_name("...")
        ('my data -2', 'study')
    """
    text = unicodedata.normalize("NFC", stem)
    kept = "".join(c if c.isalnum() or c in "-_. " else "-" for c in text)
    return re.sub(r"-{2,}", "-", kept).strip("-. ")[:200].strip() or "study"


def starter(facts: Facts) -> str:
    """Return a commented study that fits a table."""
    lines = [*_head(facts), *_data(facts), *_model(facts), *_search(facts)]
    return "\n".join([*lines, *_evaluation(facts)]) + "\n"


def digits(file: str, name: str) -> str:
    """Return a commented study of the handwritten digits that runs as it is."""
    counts = tuple((str(digit), 174) for digit in range(10))
    facts = Facts(
        name=name,
        file=file,
        source="sklearn.digits",
        n_rows=1797,
        n_features=64,
        target="",
        why_target="",
        others=(),
        drop=(),
        dates=(),
        groups=(),
        task="classification",
        counts=counts,
    )
    return starter(facts)


def _line(key: str, comment: str = "") -> list[str]:
    """Put a comment beside a key, or above it where there is no room."""
    if not comment:
        return [key]
    comment = _visible(comment)
    beside = f"{key:<{COMMENT_COLUMN - 2}}  # {comment}"
    if len(beside) <= WIDTH:
        return [beside]
    indent = " " * (len(key) - len(key.lstrip(" ")))
    return [*_note(comment, indent), key]


def _note(text: str, indent: str = "") -> list[str]:
    wrapped = textwrap.wrap(
        _visible(text), WIDTH - len(indent) - 2, break_on_hyphens=False
    )
    return [f"{indent}# {line}" for line in wrapped]


def _visible(text: str) -> str:
    """Keep a text on its line: a comment ends where a line does."""
    return "".join(c if c == " " or c.isprintable() else repr(c)[1:-1] for c in text)


def _head(facts: Facts) -> list[str]:
    file = f"'{facts.file}'" if re.search(r"[^\w./-]", facts.file) else facts.file
    return [
        *_note(f"What would run:    hpo check {file}"),
        *_note(f"How long it takes: hpo check {file} --time"),
        *_note(f"Run it, or go on:  hpo run {file}"),
        *_line(f"name: {quoted(facts.name)}", "what hpo show and hpo best call it"),
    ]


def _data(facts: Facts) -> Iterator[str]:
    rows = f"{facts.n_rows:,} rows"
    yield "data:"
    yield from _line(f"  source: {quoted(facts.source)}", f"{rows}; see hpo check")
    if facts.target:
        yield from _target(facts)
    if facts.drop:
        yield from _line("  drop:", "columns that are no features, and why")
        for name, why in facts.drop:
            yield from _line(f"    - {quoted(name)}", why)
    yield from _hints(facts)
    if facts.test_size:
        comment = "share held out before all else"
    else:
        comment = "none: the rarest class has too few rows"
    yield from _line(f"  test_size: {facts.test_size:g}", comment)


def _target(facts: Facts) -> Iterator[str]:
    comment = "the column to predict"
    if facts.why_target:
        comment = f"a guess: {facts.why_target}"
    yield from _line(f"  target: {quoted(facts.target)}", comment)
    if facts.why_target and facts.others:
        shown = ", ".join(quoted(name) for name in facts.others[:MANY_OTHERS])
        n_more = len(facts.others) - MANY_OTHERS
        more = f" and {n_more} more" if n_more > 0 else ""
        yield from _note(f"or one of: {shown}{more}", "  ")


def _hints(facts: Facts) -> Iterator[str]:
    dropped = {name for name, _ in facts.drop}
    for name in facts.dates:
        if name not in dropped:
            words = "is a date: its year and day of the year become features"
            yield from _note(f"{quoted(name)} {words}", "  ")
    for name in facts.dates[:1]:
        yield from _line(f"  # order: {quoted(name)}", "learn from earlier rows only")
    for name in facts.groups[:2]:
        yield from _line(f"  # group: {quoted(name)}", "keep its rows in one fold")


def _model(facts: Facts) -> Iterator[str]:
    task = _task_note(facts)
    yield from _line(f"task: {facts.task}", task)
    yield from _line("model: keras-mlp", "a network; sklearn-mlp is another")
    yield from _line("space:", "value, [choices] or {int: [low, high]}")
    for key, comment in _space(facts):
        yield from _line(f"  {key}", comment)


def _task_note(facts: Facts) -> str:
    if facts.task == "regression":
        return "the target is a number; or classification"
    shown = ", ".join(f"{label} {_percent(n, facts)}" for label, n in facts.counts[:4])
    more = ", ..." if len(facts.counts) > 4 else ""
    if not facts.target or not facts.unbalanced:
        return f"{len(facts.counts)} classes"
    return f"{len(facts.counts)} classes: {shown}{more}"


def _percent(n: int, facts: Facts) -> str:
    return f"{100 * n / facts.n_rows:.2g} %"


def _space(facts: Facts) -> Iterator[tuple[str, str]]:
    n = facts.n_fitted
    small, large = n < SMALL_ROWS, n >= LARGE_ROWS
    deepest = 2 if small else 3
    units = "[4, 64]" if small else "[32, 256]" if large else "[16, 128]"
    yield f"hidden_layers: {{int: [1, {deepest}]}}", "how many layers"
    yield f"units: {{int: {units}, log: true}}", "neurons of each; log: by factors"
    yield "activation: [relu, tanh]", "what a neuron does with its sum"
    yield "learning_rate: {float: [1e-4, 3e-2], log: true}", "step of the weights"
    highest = "0.3" if small else "0.5"
    yield f"dropout: {{float: [0.0, {highest}]}}", "against learning by heart"
    if small or facts.n_features >= WIDE:
        yield "l2: {float: [1e-6, 1e-1], log: true}", "the same, by small weights"
    yield f"batch_size: {_listed(_batch_sizes(n))}", "rows of one step"
    yield from _epochs(n)
    if facts.unbalanced and facts.target:
        yield "class_weight: [null, balanced]", "balanced: rare classes count more"
    if facts.n_features >= MANY_FEATURES:
        most = min(facts.n_features, 200)
        line = f"# select_k: {{int: [{most // 10}, {most}], log: true}}"
        yield line, "keep the best k features"
    if facts.task == "regression" and facts.positive:
        # A prediction of a scaled target may be below 0, so the scale goes too.
        yield "# target_scale: none", "with the line below: no prediction below 0"
        yield "# output_activation: softplus", ""


def _batch_sizes(n_fitted: int) -> list[int]:
    """Return powers of two of which an epoch has eight or more, where it can."""
    most = max(n_fitted // 8, min(8, n_fitted))
    sizes = [2**power for power in range(3, 11) if 2**power <= most]
    return sizes[-4:] if sizes else [most]


def _epochs(n_fitted: int) -> Iterator[tuple[str, str]]:
    if n_fitted < 60:
        # A tenth of them would be too few to stop by.
        yield "epochs: {int: [20, 200], log: true}", "passes over the rows"
        return
    epochs, patience = (200, 15) if n_fitted < SMALL_ROWS else (100, 10)
    if n_fitted >= LARGE_ROWS:
        epochs, patience = 30, 4
    yield f"epochs: {epochs}", "passes over the rows at most"
    yield f"patience: {patience}", "epochs without gain, then stop"


def _search(facts: Facts) -> Iterator[str]:
    yield "search:"
    yield from _line("  strategy: bayesian", "or random; or grid: every combination")
    yield from _line("  trials: 40", f"each trains {facts.folds} networks")
    yield from _line("  # timeout: 30m", "begin no trial later than this")
    yield from _line("  seed: 0", "the same seed, the same trials")


def _evaluation(facts: Facts) -> Iterator[str]:
    yield "evaluation:"
    if facts.folds < FOLDS:
        label = facts.counts[-1][0] if facts.counts else ""
        why = (
            f"at most {facts.folds}: class {label!r} has {facts.rarest} rows; "
            "merge it with another, or leave it out, and take 5"
            if facts.counts
            else "few, as there are few rows"
        )
    else:
        why = "a score is the mean over so many folds"
    yield from _line(f"  folds: {facts.folds}", why)
    yield from _metric(facts)


def _metric(facts: Facts) -> Iterator[str]:
    if facts.task == "regression":
        yield from _line("  metric: r2", "1 is perfect, 0 is predicting the mean")
        yield from _line("  metrics: [neg_mean_absolute_error]", "recorded besides")
        return
    if facts.unbalanced:
        label, n = facts.counts[0]
        comment = f"accuracy is {_percent(n, facts)} for saying {label!r} to all"
        yield from _line("  metric: balanced_accuracy", comment)
        yield from _line("  metrics: [accuracy, f1_macro]", "recorded besides")
        return
    yield from _line("  metric: accuracy", "greater is better, as in scikit-learn")
    extra = "roc_auc" if len(facts.counts) == 2 else "f1_macro"
    yield from _line(f"  metrics: [{extra}]", "recorded besides")


def _listed(values: Sequence[int]) -> str:
    return f"[{', '.join(map(str, values))}]"
