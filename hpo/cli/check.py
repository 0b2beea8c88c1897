"""`hpo check`: what a study file would run, without running it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpo.cli.console import (
    Format,
    about,
    clean,
    fitting,
    out,
    say,
    table,
    value,
    write_csv,
    write_json,
)
from hpo.cli.run import located
from hpo.errors import Problem, SpecError
from hpo.spec import StudySpec, read_study
from hpo.spec.words import values_words, when_words
from hpo.study import Prepared, prepare
from hpo.study.describe import classes_words, data_words, describe, folds_words
from hpo.study.estimate import Estimate, estimate
from hpo.study.nested import refuse_nesting
from hpo.study.network import row_shape
from hpo.user_code import OBJECTIVE, kind_of

TEXT_WIDTH = 67
"""Columns beside the labels of the facts."""


def check_study(
    file: Path,
    overrides: Mapping[str, Any],
    allowed_modules: Sequence[str],
    format_: Format,
    *,
    timed: bool,
) -> None:
    """Validate a study file and print what it would run; no store is touched.

    Args:
        file: The study file.
        overrides: Values by dotted path that replace the file's; None means not given.
        allowed_modules: Installed packages whose code the file may name.
        format_: How it is written.
        timed: Whether one fold is trained, to estimate the time of the whole.

    Raises:
        HpoError: Anything that would keep it from running; see `hpo.cli.app.main`.
    """
    spec = read_study(file, overrides=overrides, allowed_modules=allowed_modules)
    began = time.perf_counter()
    prepared, builder = _prepared(spec, file)
    data_seconds = time.perf_counter() - began
    facts = describe(prepared) | {"builder": builder}
    if builder is not None:
        facts |= _of_builder(builder)
    if format_ is Format.TABLE:
        _print(prepared, facts)
    made = None
    if timed:
        say("training one fold of the default params to see how long it takes ...")
        made = estimate(prepared, data_seconds)
    facts["estimate"] = None if made is None else asdict(made)
    if format_ is Format.JSON:
        write_json(facts)
    elif format_ is Format.CSV:
        write_csv([facts])
    elif made is not None:
        _print_time(prepared, made)


def _prepared(spec: StudySpec, file: Path) -> tuple[Prepared, dict[str, Any] | None]:
    """Prepare the study, and look at what its builder makes, if it has one."""
    try:
        prepared = prepare(spec)
        if spec.evaluation.nested:
            refuse_nesting(prepared)
        return prepared, _builder(prepared)
    except SpecError as error:
        raise located(error, file) from error


def _print(prepared: Prepared, facts: dict[str, Any]) -> None:
    out().print(f"{clean(facts['name'])}: {clean(facts['model'])}", markup=False)
    made = table(None, "", "")
    made.show_header = False
    for label, text in _lines(facts).items():
        made.add_row(label, clean(text))
    out().print(made)
    _print_layers(facts["builder"])
    _print_space(facts)
    for note in facts["notes"]:
        say(f"note: {note}")


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    data, evaluation = facts["data"], facts["evaluation"]
    also = ", ".join(evaluation["metrics"])
    metric = evaluation["metric"] + (f"; recorded too: {also}" if also else "")
    if not data["n_rows"]:
        judged = folds_words(evaluation)
        return {"data": "none", "judged by": judged, "metric": metric} | _work(facts)
    lines = {"data": f"{data['source']}: {data_words(data)}"}
    for kind in ("numeric", "categorical"):
        if data[kind]:
            head = f"{len(data[kind])}: "
            names = fitting(data[kind], TEXT_WIDTH - len(head))
            lines[kind] = head + names
    lines["missing"] = _missing(data)
    if data["classes"]:
        lines["classes"] = classes_words(data, TEXT_WIDTH + 10)
    targets = data["targets"]
    label = "target" if len(targets) == 1 else "targets"
    if targets != ["target"]:  # the name of one that has none
        lines[label] = fitting(targets, TEXT_WIDTH)
    lines["test part"] = (
        f"{data['n_test']:,} rows held out; the search has {data['n_train']:,}"
        if data["n_test"]
        else f"none; the search has all {data['n_train']:,} rows"
    )
    lines["judged by"] = folds_words(evaluation, data["n_groups"])
    lines["metric"] = metric
    if network := _network(facts):
        lines["network"] = network
    if facts["backend"] is not None:
        lines["trained by"] = _training(facts)
    if nested := evaluation["nested"]:
        lines["nested"] = f"after it the whole search again in {nested} outer folds"
    return lines | _work(facts)


def _training(facts: dict[str, Any]) -> str:
    how = facts["training"]
    return f"Keras on {facts['backend']}" + (f"; {how}" if how else "")


def _of_builder(builder: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of the training now that a model was built.

    ``training`` is there if the family can tell from the model how it will be trained.
    """
    if builder["kind"] != "keras":
        return {"backend": None, "training": None}
    return {"training": builder.get("training")}


def _missing(data: dict[str, Any]) -> str:
    if not data["missing"]:
        return "no value"
    n_missing = sum(data["missing"].values())
    words = [f"{name} {n:,}" for name, n in data["missing"].items()]
    head = f"{n_missing:,} value{'s' if n_missing != 1 else ''}: "
    return head + fitting(words, TEXT_WIDTH - len(head))


def _network(facts: dict[str, Any]) -> str | None:
    sizes, builder = facts["network"], facts["builder"]
    if builder is not None:
        return _builder_words(builder)
    if sizes is None:
        return None
    words = f"{sizes['n_inputs']} inputs, {sizes['default']:,} parameters by default"
    low, high = sizes["smallest"], sizes["largest"]
    if low is None or low == high:
        return words
    return f"{words}; {low:,} to {high:,} in the space"


def _work(facts: dict[str, Any]) -> dict[str, str]:
    n_combinations, n_trials = facts["n_combinations"], facts["n_trials"]
    n_folds = facts["evaluation"]["folds"] * facts["evaluation"]["repeats"]
    of = "infinitely many" if n_combinations is None else f"{n_combinations:,}"
    workers = f"{facts['n_workers']} worker{'s' if facts['n_workers'] > 1 else ''}"
    return {
        "search": f"{facts['strategy']} over {of} combinations",
        "work": f"{n_trials:,} trials x {n_folds} folds = {facts['n_fits']:,} fits, "
        f"{workers}",
    }


def _print_space(facts: dict[str, Any]) -> None:
    space, defaults = facts["space"], facts["defaults"]
    made = table(None, "hyperparameter", "values", "default", "when")
    for name, given in space.items():
        default = next((k for k in (name, f"{name}_0") if k in defaults), None)
        made.add_row(
            clean(name),
            clean(values_words(given)),
            "-" if default is None else value(defaults[default]),
            clean(_when(given)),
        )
    if not any(_when(given) for given in space.values()):
        made.columns.pop()
    out().print()
    out().print(made)


def _when(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    each = f"for each of {given['repeat']}" if given.get("repeat") else ""
    when = when_words(given["when"]) if given.get("when") else ""
    return ", ".join(words for words in (each, when) if words)


def _builder(prepared: Prepared) -> dict[str, Any] | None:
    """Return what the study's own function builds, or None if it names none."""
    model = prepared.spec.model
    if ":" not in model or kind_of(model) == OBJECTIVE:
        return None
    from hpo.models.builder_check import describe_model
    from hpo.models.builder_info import DataInfo
    from hpo.study.run import takes_whole_trials

    plan = prepared.plan
    info = DataInfo(
        feature_shape=row_shape(prepared),
        task=plan.data.task,
        n_classes=plan.data.n_classes,
        n_targets=plan.data.n_outputs,
        n_rows=len(plan.folds[0][0]),
    )
    found = describe_model(
        model,
        plan.home,
        prepared.defaults,
        info,
        whole_trials=takes_whole_trials(prepared.family, prepared.spec),
    )
    if found["errors"]:
        raise SpecError([Problem("model", what) for what in found["errors"]])
    return found


def _print_layers(builder: dict[str, Any] | None) -> None:
    if builder is None:
        return
    out().print()
    for line in builder["layers"]:
        out().print(f"  {clean(line)}", markup=False)
    if builder["unread"]:
        unread = ", ".join(builder["unread"])
        say(f"note: with the default params the builder never reads {unread}")


def _builder_words(builder: dict[str, Any]) -> str:
    layers = len(builder["layers"])
    of = "layers" if builder["kind"] == "keras" else "steps"
    words = f"a {builder['kind']} {builder['class']} of {layers} {of}"
    if builder["n_parameters"] is not None:
        words += f", {builder['n_parameters']:,} parameters by default"
    return words


def _print_time(prepared: Prepared, made: Estimate) -> None:
    """Say how long the study would take, and how sure that is."""
    spec = prepared.spec
    what = "one fold" if made.n_together == 1 else f"{made.n_together} folds at once"
    workers = f"{made.n_at_once} worker{'s' if made.n_at_once > 1 else ''}"
    lines = [
        f"time: {about(made.total_seconds)} with {workers} "
        f"({made.n_tasks:,} times {made.task_seconds:.2g} s for {what})"
    ]
    if made.once_seconds > made.total_seconds / 2:
        lines.append(
            f"most of it is done once: {about(made.once_seconds)} for reading and "
            "preparing the data and starting workers"
        )
    early = [
        words
        for words, applies in {
            "search.patience": spec.search.patience is not None,
            "search.timeout": spec.search.timeout_seconds is not None,
        }.items()
        if applies
    ]
    if early:
        lines.append(f"at most: {' and '.join(early)} may stop it earlier")
    by = f", trained by {made.engine}" if made.engine else ""
    lines.append(f"timed with the default params{by}; others take more or less")
    for line in lines:
        out().print(line, markup=False)
