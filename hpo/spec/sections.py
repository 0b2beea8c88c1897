"""Find what is wrong between keys of a study file that are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from hpo.metrics import why_unfit
from hpo.records import Task
from hpo.spec.fields import OWN_METRICS
from hpo.spec.model import (
    NO_DATA,
    TENSORFLOW,
    DataSpec,
    EngineSpec,
    EvaluationSpec,
    may_use_keras,
)
from hpo.spec.plain import Mistake, at, shown
from hpo.user_code import KINDS, OBJECTIVE, kind_of

Section = TypeVar("Section", bound=BaseModel)


def section_mistakes(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find what is wrong between keys that are right by themselves."""
    task = task_of(value)
    own = model_kind(value) == OBJECTIVE
    context = OWN_METRICS if own else None
    if data := _valid(DataSpec, value.get("data")):
        for key, columns in (("features", data.features or ()), ("drop", data.drop)):
            yield from _listed_twice(f"data.{key}", columns)
            for target in data.targets:
                if target in columns:
                    where = at(f"data.{key}", columns.index(target))
                    yield Mistake(where, f"{shown(target)} is the target")
        yield from _listed_twice("data.target", data.targets)
        yield from _role_mistakes(data)
        if len(data.targets) > 1 and task == "classification":
            what = "expected one column, as the task is classification; got several"
            yield Mistake("data.target", what)
    else:
        data = None
    has_none = data is not None and data.name == NO_DATA
    if has_none and not own:
        yield Mistake("data.source", "only an objective can do without data; name some")
    given = value.get("evaluation")
    folds = given.get("folds") if isinstance(given, dict) else None
    if folds == 1 and not isinstance(folds, bool) and not (own and has_none):
        what = "expected a whole number of at least 2; got 1"
        yield Mistake("evaluation.folds", what)
    if evaluation := _valid(EvaluationSpec, given, context):
        metrics = {
            at("evaluation.metrics", i): m for i, m in enumerate(evaluation.metrics)
        }
        if evaluation.metric:
            metrics["evaluation.metric"] = evaluation.metric
        for where, metric in metrics.items():
            n_classes = 2 if task == "classification" else 0
            n_outputs = len(data.targets) if data else 1
            unfit = why_unfit(metric, task, n_classes, n_outputs) if task else None
            if unfit and not own:
                yield Mistake(where, unfit)
        yield from _listed_twice("evaluation.metrics", evaluation.metrics)
        if evaluation.racing and not own:
            what = "expected false, as only an objective reports how a fold goes"
            yield Mistake("evaluation.racing", f"{what}; got {evaluation.racing!r}")
        if evaluation.direction == "minimize" and not own:
            what = "expected maximize, as of every scorer more is better; for an error "
            what += "there are the neg_ ones; got 'minimize'"
            yield Mistake("evaluation.direction", what)
        if task == "regression" and evaluation.split == "stratified":
            what = "expected kfold, as regression has no classes; got 'stratified'"
            yield Mistake("evaluation.split", what)
        if data is not None:
            yield from _split_mistakes(data, evaluation)
    yield from _backend_mistakes(value)


def _backend_mistakes(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find a backend for a family that does not train with Keras."""
    engine, model = _valid(EngineSpec, value.get("engine")), value.get("model")
    backend = TENSORFLOW if engine is None else engine.backend
    if backend != TENSORFLOW and isinstance(model, str) and not may_use_keras(model):
        what = f"only Keras has a backend, and {shown(model)} trains without Keras; "
        what += f"leave it out, or take a model such as keras-mlp; got {backend!r}"
        yield Mistake("engine.backend", what)


def _role_mistakes(data: DataSpec) -> Iterator[Mistake]:
    """Find columns that have two roles."""
    roles = (("group", data.group), ("order", data.order))
    for role, named in roles:
        if named is not None and named in data.targets:
            yield Mistake(f"data.{role}", f"{shown(named)} is the target")
    if data.group is not None and data.group in (data.features or ()):
        where = at("data.features", (data.features or ()).index(data.group))
        what = "is the group, which tells rows apart and is no feature"
        yield Mistake(where, f"{shown(data.group)} {what}")


def _split_mistakes(data: DataSpec, evaluation: EvaluationSpec) -> Iterator[Mistake]:
    """Find what is wrong between the split and the columns it goes by."""
    split = evaluation.split
    if data.group and data.order:
        what = "data.group and data.order go with different splits; give one of them"
        yield Mistake("data.order", what)
    elif split == "group" and not data.group:
        what = "group needs the column that says which rows belong together: data.group"
        yield Mistake("evaluation.split", what)
    elif data.group and split not in (None, "group"):
        what = f"is used by split: group only; got split: {split}"
        yield Mistake("data.group", what)
    elif data.order and split not in (None, "time"):
        yield Mistake("data.order", f"is used by split: time only; got split: {split}")
    if evaluation.repeats > 1 and (split == "time" or (split is None and data.order)):
        what = "expected 1, as rows have one order in time"
        yield Mistake("evaluation.repeats", f"{what}; got {evaluation.repeats}")


def _listed_twice(where: str, names: Sequence[str]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Mistake(at(where, index), f"{shown(name)} is listed twice")
        seen.add(name)


def n_outputs_of(value: Mapping[str, Any]) -> int | None:
    """Return the number of targets if the file says that there are several."""
    data = _valid(DataSpec, value.get("data"))
    return len(data.targets) if data and len(data.targets) > 1 else None


def task_of(value: Mapping[str, Any]) -> Task | None:
    """Return the task that the file gives, if it is one."""
    return value["task"] if value.get("task") in get_args(Task) else None


def model_kind(value: Mapping[str, Any]) -> str:
    """Return the kind of code that the file names as its model, if it is of one."""
    model = value.get("model")
    if isinstance(model, dict) and len(model) == 1:
        (kind,) = model
        return kind if kind in KINDS else ""
    return kind_of(model) if isinstance(model, str) else ""


def _valid(model: type[Section], given: Any, context: Any = None) -> Section | None:
    """Return a section, or None if it has mistakes of its own."""
    try:
        return model.model_validate(given or {}, context=context)
    except ValidationError:
        return None
