"""Check a study file as a whole, and report every mistake in it at its line.

Nothing here trains, reads data or imports a user's code; families are asked only what
they make of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hpo.errors import Problem, SpecError, near_match, one_of
from hpo.models.family import Family
from hpo.space import Space
from hpo.spec.document import Document, read_document
from hpo.spec.fields import OWN_METRICS
from hpo.spec.hyperparameters import read_space, write_space
from hpo.spec.model import MODEL_KEYS, NO_DATA, StudySpec
from hpo.spec.plain import Mistake, at, plain, shown
from hpo.spec.sections import model_kind, n_outputs_of, section_mistakes, task_of
from hpo.user_code import KERAS_TUNER, OBJECTIVE, Home

MAX_SHOWN = 50
"""Mistakes that are reported; of more only the number is."""

NOT_IN_FILES = ("folder", "text", "allowed_modules")
"""Fields of a spec that no study file has."""

FindFamily = Callable[[str], Family]

_FLAGS = {"engine.kind": "--engine"}


def read_study(
    path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    allowed_modules: Sequence[str] = (),
    find_family: FindFamily | None = None,
) -> StudySpec:
    """Read and check the study file at ``path``.

    Args:
        path: A YAML 1.2 file; messages name it as it is given here.
        overrides: Values by dotted key, e.g. ``{"search.trials": 10}``, that replace
            those of the file; None means not given.
        allowed_modules: Installed packages whose code the file may name.
        find_family: Instead of `hpo.models.get_family`.

    Raises:
        SpecError: With every mistake found; each ``where`` is ``file:line: path``, or
            the command-line flag of the override, e.g. ``--trials``.
    """
    document = read_document(path)
    home = Home(path.parent.absolute(), tuple(allowed_modules))
    return _check(document, home, overrides or {}, find_family)


def parse_study(
    document: Mapping[str, Any],
    *,
    folder: Path,
    overrides: Mapping[str, Any] | None = None,
    allowed_modules: Sequence[str] = (),
    find_family: FindFamily | None = None,
) -> StudySpec:
    """Check a study given as plain data, with the keys of a study file.

    Args:
        document: As `hpo.spec.StudySpec.to_document` gives; ``space`` may be a
            `hpo.space.Space` too.
        folder: What relative paths start from.
        overrides: See `read_study`.
        allowed_modules: See `read_study`.
        find_family: See `read_study`.

    Raises:
        SpecError: With every mistake found; each ``where`` is a dotted path.
    """
    if isinstance(document.get("space"), Space):
        document = {**document, "space": write_space(document["space"])}
    given = Document(file="", text="", value=document)
    home = Home(folder.absolute(), tuple(allowed_modules))
    return _check(given, home, overrides or {}, find_family)


def _check(
    document: Document,
    home: Home,
    overrides: Mapping[str, Any],
    find_family: FindFamily | None,
) -> StudySpec:
    given = {key: value for key, value in overrides.items() if value is not None}
    value, refused = plain(_override(document.value, given))
    early = [*document.mistakes, *refused]
    # Of a value that was refused, or of half a document, nothing more can be said.
    blamed = _blamed(early)
    late: list[Mistake] = []
    spec = None
    if isinstance(value, dict) and "" not in blamed:
        spec, late = _interpret(value, find_family or _known_family(home))
    mistakes = early + _not_following(late, blamed)
    if whole := [m for m in early if m.where == ""]:
        mistakes = whole
    if mistakes or spec is None:
        raise SpecError(_located(mistakes, document, given))
    return spec.model_copy(
        update={
            "folder": home.folder,
            "text": document.text,
            "allowed_modules": home.allowed,
        }
    )


def _blamed(mistakes: Iterable[Mistake]) -> set[str]:
    """Return the sections and hyperparameters that mistakes are in."""
    return {
        ".".join(mistake.where.partition("[")[0].split(".")[:2]) for mistake in mistakes
    }


def _not_following(late: Iterable[Mistake], blamed: set[str]) -> list[Mistake]:
    """Leave out what is in, or around, a value that is blamed already."""
    around = {section for root in blamed for section in [root.partition(".")[0]]}
    return [
        mistake
        for mistake in late
        if mistake.where not in around and not blamed & _prefixes(mistake.where)
    ]


def _prefixes(where: str) -> set[str]:
    ends = [place for place, sign in enumerate(where) if sign in ".["]
    return {where, *(where[:end] for end in ends)}


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
        Mistake(key, f"unknown key {key!r}") for key in NOT_IN_FILES if key in value
    ]
    value = {k: v for k, v in value.items() if k not in NOT_IN_FILES}
    kind = model_kind(value)
    if kind == OBJECTIVE and "data" not in value:
        value = _without_data(value)
    space = None
    if kind == KERAS_TUNER and value.get("space") is None:
        # It is the hypermodel's own, which only importing it tells.
        value["space"] = Space()
    elif "space" in value:
        space, found = read_space(value["space"])
        mistakes += found
        # The space stands for itself in what follows, whole or not.
        value["space"] = space or Space(placeholder=0)
    mistakes += section_mistakes(value)
    if space:
        complete = not any(m.where.startswith("space") for m in mistakes)
        mistakes += _space_mistakes(value, space, complete, find_family)
    try:
        context = OWN_METRICS if kind == OBJECTIVE else None
        return StudySpec.model_validate(value, context=context), mistakes
    except ValidationError as error:
        errors = error.errors(include_url=False)
        wrong = [_translate(each, n < MAX_SHOWN) for n, each in enumerate(errors)]
        return None, wrong + mistakes


def _without_data(value: dict[str, Any]) -> dict[str, Any]:
    """Say that there is no data, and so one fold unless the file says how many."""
    evaluation = value.get("evaluation") or {}
    if isinstance(evaluation, dict):
        evaluation = {"folds": 1, **evaluation}
    data = {"source": NO_DATA, "test_size": 0.0}
    return {**value, "data": data, "evaluation": evaluation}


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
    if model := _family_name(value):
        try:
            family = find_family(model)
            problems += family.problems(space, task_of(value), n_outputs_of(value))
        except SpecError as error:
            yield from (Mistake(p.where, p.what) for p in error.problems)
    for problem in dict.fromkeys(problems):
        if problem.where == "model":  # the family's own name is wrong, not its space
            yield Mistake("model", problem.what)
            continue
        name = problem.where.split(".")[0].split("[")[0]
        if name not in space.declared and name in space.names:
            name = name.rpartition("_")[0]  # units_0 is units in the file
        if complete or name in space.declared:
            yield Mistake(f"space.{problem.where}".rstrip("."), problem.what)


def _family_name(value: Mapping[str, Any]) -> str | None:
    """Return the name of the family as the spec will have it, if there is one."""
    model = value.get("model")
    if isinstance(model, dict) and list(model) in [[key] for key in MODEL_KEYS]:
        ((kind, name),) = model.items()
        if not isinstance(name, str) or ":" not in name:
            return None
        return name if kind == "builder" else f"{kind}:{name}"
    return model if isinstance(model, str) and model else None


def _known_family(home: Home) -> FindFamily:
    def find(name: str) -> Family:
        from hpo.models import get_family

        return get_family(name, home=home)

    return find


def _translate(error: ErrorDetails, hint: bool) -> Mistake:
    """Word one of pydantic's errors as this package does, maybe with a near match."""
    where = ""
    for part in error["loc"]:
        where = at(where, part)
    got = f"got {shown(error['input'])}"
    if error["type"] == "worded":
        return Mistake(where, error["ctx"]["what"])
    if error["type"] == "extra_forbidden":
        key, known = str(error["loc"][-1]), _fields(error["loc"][:-1])
        near = near_match(key, known) if hint else ""
        return Mistake(where, f"unknown key {shown(key)}{near}")
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
