"""Check a study file as a whole, and report every mistake in it at its line.

Nothing here trains, reads data or imports a user's code; families are asked only what
they make of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hpo.errors import Problem, SpecError, near_match, one_of
from hpo.metrics import why_unfit
from hpo.models.family import Family
from hpo.records import Task
from hpo.space import Space
from hpo.spec.document import Document, read_document
from hpo.spec.hyperparameters import read_space, write_space
from hpo.spec.model import DataSpec, EvaluationSpec, StudySpec
from hpo.spec.plain import Mistake, at, plain, shown

MAX_SHOWN = 50
"""Mistakes that are reported; of more only the number is."""

FindFamily = Callable[[str], Family]

_FLAGS = {"engine.kind": "--engine"}
Section = TypeVar("Section", bound=BaseModel)


def read_study(
    path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    find_family: FindFamily | None = None,
) -> StudySpec:
    """Read and check the study file at ``path``.

    Args:
        path: A YAML 1.2 file; messages name it as it is given here.
        overrides: Values by dotted key, e.g. ``{"search.trials": 10}``, that replace
            those of the file; None means not given.
        find_family: Instead of `hpo.models.get_family`.

    Raises:
        SpecError: With every mistake found; each ``where`` is ``file:line: path``, or
            the command-line flag of the override, e.g. ``--trials``.
    """
    document = read_document(path)
    folder = path.parent.absolute()
    return _check(document, folder, overrides or {}, find_family)


def parse_study(
    document: Mapping[str, Any],
    *,
    folder: Path,
    overrides: Mapping[str, Any] | None = None,
    find_family: FindFamily | None = None,
) -> StudySpec:
    """Check a study given as plain data, with the keys of a study file.

    Args:
        document: As `hpo.spec.StudySpec.to_document` gives; ``space`` may be a
            `hpo.space.Space` too.
        folder: What relative paths start from.
        overrides: See `read_study`.
        find_family: See `read_study`.

    Raises:
        SpecError: With every mistake found; each ``where`` is a dotted path.
    """
    if isinstance(document.get("space"), Space):
        document = {**document, "space": write_space(document["space"])}
    given = Document(file="", text="", value=document)
    return _check(given, folder.absolute(), overrides or {}, find_family)


def _check(
    document: Document,
    folder: Path,
    overrides: Mapping[str, Any],
    find_family: FindFamily | None,
) -> StudySpec:
    given = {key: value for key, value in overrides.items() if value is not None}
    value, refused = plain(_override(document.value, given))
    early = [*document.mistakes, *refused]
    # Of a value that was refused, or of half a document, nothing more can be said.
    blamed = {_root(mistake.where) for mistake in early}
    late: list[Mistake] = []
    spec = None
    if isinstance(value, dict) and "" not in blamed:
        spec, late = _interpret(value, find_family or _known_family)
    mistakes = early + [m for m in late if not _follows(m.where, blamed)]
    if whole := [m for m in early if m.where == ""]:
        mistakes = whole
    if mistakes or spec is None:
        raise SpecError(_located(mistakes, document, given))
    return spec.model_copy(update={"folder": folder, "text": document.text})


def _root(where: str) -> str:
    """Return the key of a section, or of one hyperparameter, that a path is in."""
    return ".".join(where.partition("[")[0].split(".")[:2])


def _follows(where: str, blamed: Iterable[str]) -> bool:
    return any(_within(where, root) or _within(root, where) for root in blamed)


def _override(value: Any, overrides: Mapping[str, Any]) -> Any:
    """Put the overrides in; a section that is no mapping stays and is refused later."""
    for key, given in overrides.items():
        section, _, name = key.rpartition(".")
        if not isinstance(value, Mapping):
            break
        if not section:
            value = {**value, name: given}
        elif isinstance(inner := value.get(section) or {}, Mapping):
            value = {**value, section: {**inner, name: given}}
    return value


def _interpret(
    value: dict[str, Any], find_family: FindFamily
) -> tuple[StudySpec | None, list[Mistake]]:
    """Find every mistake of a document of plain values."""
    mistakes = [
        Mistake(key, f"unknown key {key!r}")
        for key in ("folder", "text")
        if key in value
    ]
    value = {k: v for k, v in value.items() if k not in ("folder", "text")}
    space = None
    if "space" in value:
        space, found = read_space(value["space"])
        mistakes += found
        # The space stands for itself in what follows, whole or not.
        value["space"] = space or Space(placeholder=0)
    mistakes += _section_mistakes(value)
    if space:
        complete = not any(m.where.startswith("space") for m in mistakes)
        mistakes += _space_mistakes(value, space, complete, find_family)
    try:
        return StudySpec.model_validate(value), mistakes
    except ValidationError as error:
        wrong = [_translate(details) for details in error.errors(include_url=False)]
        return None, wrong + mistakes


def _section_mistakes(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find what is wrong between keys that are right by themselves."""
    task = _task(value)
    if data := _valid(DataSpec, value.get("data")):
        for key, columns in (("features", data.features or ()), ("drop", data.drop)):
            yield from _listed_twice(f"data.{key}", columns)
            if data.target in columns:
                where = at(f"data.{key}", columns.index(data.target or ""))
                yield Mistake(where, f"{data.target!r} is the target")
    if evaluation := _valid(EvaluationSpec, value.get("evaluation")):
        metrics = {
            at("evaluation.metrics", i): m for i, m in enumerate(evaluation.metrics)
        }
        if evaluation.metric:
            metrics["evaluation.metric"] = evaluation.metric
        for where, metric in metrics.items():
            n_classes = 2 if task == "classification" else 0
            if task and (what := why_unfit(metric, task, n_classes)):
                yield Mistake(where, what)
        yield from _listed_twice("evaluation.metrics", evaluation.metrics)
        if task == "regression" and evaluation.split == "stratified":
            what = "expected kfold, as regression has no classes; got 'stratified'"
            yield Mistake("evaluation.split", what)


def _listed_twice(where: str, names: Sequence[str]) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Mistake(at(where, index), f"{name!r} is listed twice")


def _space_mistakes(
    value: Mapping[str, Any], space: Space, complete: bool, find_family: FindFamily
) -> Iterator[Mistake]:
    """Find what the strategy and the family have against the space.

    What they say of hyperparameters that are absent counts only if it is ``complete``.
    """
    problems: list[Problem] = []
    search = value.get("search")
    if isinstance(search, dict) and search.get("strategy") == "grid":
        try:
            _ = space.grid
        except SpecError as error:
            problems += error.problems
    if isinstance(model := value.get("model"), str) and ":" not in model and model:
        try:
            problems += find_family(model).problems(space, _task(value))
        except SpecError as error:
            yield from (Mistake(p.where, p.what) for p in error.problems)
    for problem in dict.fromkeys(problems):
        name = problem.where.split(".")[0].split("[")[0]
        if name not in space.declared and name in space.names:
            name = name.rpartition("_")[0]  # units_0 is units in the file
        if complete or name in space.declared:
            yield Mistake(f"space.{problem.where}".rstrip("."), problem.what)


def _task(value: Mapping[str, Any]) -> Task | None:
    return value["task"] if value.get("task") in get_args(Task) else None


def _valid(model: type[Section], given: Any) -> Section | None:
    """Return a section, or None if it has mistakes of its own."""
    try:
        return model.model_validate(given or {})
    except ValidationError:
        return None


def _known_family(name: str) -> Family:
    from hpo.models import get_family

    return get_family(name)


def _translate(error: ErrorDetails) -> Mistake:
    """Word one of pydantic's errors as this package does."""
    where = ""
    for part in error["loc"]:
        where = at(where, part)
    got = f"got {shown(error['input'])}"
    if error["type"] == "worded":
        return Mistake(where, error["ctx"]["what"])
    if error["type"] == "extra_forbidden":
        key, known = str(error["loc"][-1]), _fields(error["loc"][:-1])
        return Mistake(where, f"unknown key {key!r}{near_match(key, known)}")
    if error["type"] == "less_than_equal":
        return Mistake(where, f"expected at most {error['ctx']['le']}; {got}")
    if isinstance(error["loc"][-1], int):
        return Mistake(where, f"expected text; {got}")
    field = _fields(error["loc"][:-1])[str(error["loc"][-1])]
    choices = _choices(field.annotation)
    if choices and isinstance(error["input"], str):
        return Mistake(where, one_of(error["input"], choices))
    expected = f"one of {', '.join(choices)}" if choices else field.description
    if error["type"] == "missing":
        return Mistake(where, f"missing; expected {expected}")
    return Mistake(where, f"expected {expected}; {got}")


def _fields(location: Iterable[int | str]) -> dict[str, FieldInfo]:
    """Return the keys there may be in the section at a location."""
    model: Any = StudySpec
    for part in location:
        model = model.model_fields[part].annotation
    fields = {f.alias or name: f for name, f in model.model_fields.items()}
    return {name: f for name, f in fields.items() if not f.exclude}


def _choices(annotation: Any) -> list[str]:
    """Return the texts of a `Literal`, optional or not."""
    inner = get_args(annotation)
    if all(isinstance(choice, str) for choice in inner):
        return list(inner)
    return [choice for part in inner for choice in _choices(part)]


def _located(
    mistakes: Iterable[Mistake], document: Document, overrides: Mapping[str, Any]
) -> list[Problem]:
    """Put file, line and path in front of each mistake, in the order of the file."""
    placed = []
    for mistake in dict.fromkeys(mistakes):
        flag = next((k for k in overrides if _within(mistake.where, k)), None)
        line = mistake.line or document.line(mistake.where) or 0
        parts = [f"{document.file}:{line}" if line else document.file, mistake.where]
        if flag and mistake.line is None:
            line, parts = 0, [_FLAGS.get(flag, _flag(flag))]
        where = ": ".join(part for part in parts if part)
        placed.append((line, Problem(where, mistake.what)))
    problems = [problem for _, problem in sorted(placed, key=lambda pair: pair[0])]
    if (n_more := len(problems) - MAX_SHOWN) > 0:
        what = f"{n_more} more mistakes are not shown"
        problems[MAX_SHOWN:] = [Problem(document.file, what)]
    return problems


def _within(where: str, key: str) -> bool:
    return where == key or where.startswith((f"{key}.", f"{key}["))


def _flag(key: str) -> str:
    return "--" + key.rpartition(".")[2].replace("_", "-")
