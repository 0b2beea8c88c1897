"""``model.json``: what an exported model is, as plain values, and back.

It owns the format and its version. What is read is checked: the file may come from
anybody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hpo.data.dates import PARTS
from hpo.data.new_rows import KINDS, InputColumn, Inputs
from hpo.errors import ExportError
from hpo.models.saving import KERAS_FILE, PREPROCESSING_FILE, SKOPS_FILE
from hpo.records import Task

FORMAT = 1
MODEL_JSON = "model.json"
MAX_BYTES = 200 * 2**20
LABELS: Mapping[str, type] = {"str": str, "int": int, "bool": bool}
"""Types of class labels; a name is what is written."""

T = TypeVar("T")


@dataclass(frozen=True)
class ModelDocument:
    """What it takes to predict with the files of a folder, and where they come from.

    Args:
        task: What is predicted.
        classes: Labels by class code; none for regression.
        targets: Names of the targets.
        inputs: Columns or arrays that the model takes.
        flattened: Whether examples of several axes are made rows first.
        model_file: Of the folder.
        preprocessing_file: Of the folder; None if there is none.
        target_shift: Values are ``output * target_spread + target_shift``, a number for
            each target; None if targets were not scaled.
        target_spread: See there.
        digests: SHA-256 of each file, in hexadecimal.
        info: Everything else, for people: study, trial, params, scores, versions.
    """

    task: Task
    classes: tuple[Any, ...]
    targets: tuple[str, ...]
    inputs: Inputs
    flattened: bool
    model_file: str
    preprocessing_file: str | None
    target_shift: tuple[float, ...] | None
    target_spread: tuple[float, ...] | None
    digests: Mapping[str, str]
    info: Mapping[str, Any] = field(default_factory=dict)


def written(document: ModelDocument) -> str:
    """Return the text of ``model.json``."""
    label = type(document.classes[0]).__name__ if document.classes else None
    values = {
        "format": FORMAT,
        "task": document.task,
        "classes": {"type": label, "labels": list(document.classes)} if label else None,
        "targets": document.targets,
        "inputs": _inputs_values(document.inputs),
        "flattened": document.flattened,
        "model_file": document.model_file,
        "preprocessing_file": document.preprocessing_file,
        "target_shift": document.target_shift,
        "target_spread": document.target_spread,
        "digests": dict(document.digests),
        **document.info,
    }
    return json.dumps(values, indent=1, ensure_ascii=True) + "\n"


def _inputs_values(inputs: Inputs) -> dict[str, Any]:
    if inputs.shape is not None:
        given = {"shape": inputs.shape, "array": inputs.array, "others": inputs.others}
        return {"kind": "array", **given}
    columns = [
        {"name": column.name, "kind": column.kind, **_column_values(column)}
        for column in inputs.columns
    ]
    return {"kind": "table", "columns": columns, "others": inputs.others}


def _column_values(column: InputColumn) -> dict[str, Any]:
    typical = {"typical": column.typical}
    if column.kind == "date":
        return {"parts": column.parts, **typical}
    if column.kind == "category":
        return {"categories": column.categories, **typical}
    return {"whole": column.whole, **typical}


def read_document(folder: Path) -> ModelDocument:
    """Read and check the ``model.json`` of a folder.

    Raises:
        ExportError: There is none, it is broken, or it is of another version.
    """
    file = folder / MODEL_JSON
    if not folder.is_dir():
        what = "there is no such folder" if not folder.exists() else "is no folder"
        raise ExportError(f"{folder}: {what}; expected one that hpo export wrote")
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ExportError(f"{file}: expected at most {MAX_BYTES} bytes")
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(
            f"{folder}: holds no {MODEL_JSON}; expected a folder that hpo export wrote"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{file}: cannot be read ({error}); {AGAIN}") from error
    return _Reader(file).document(values)


AGAIN = "export the study again"


class _Reader:
    """Turns plain values into a document; every mistake names its key."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def document(self, values: Any) -> ModelDocument:
        given = self._is(values, dict, "the whole")
        version = given.get("format")
        if version != FORMAT:
            raise ExportError(
                f"{self._file}: expected format {FORMAT}; got {version!r}; load it "
                "with the version of hpo that wrote it, or export the study again"
            )
        task = self._one_of(given, "task", ("classification", "regression"))
        shift, spread = (
            self._numbers(given, key) for key in ("target_shift", "target_spread")
        )
        if (shift is None) != (spread is None):
            raise self._wrong("target_spread", "both shift and spread, or neither")
        targets = self._texts(given, "targets")
        for key, values in (("target_shift", shift), ("target_spread", spread)):
            if values is not None and len(values) != len(targets):
                raise self._wrong(key, f"{len(targets)} numbers, one for each target")
        known = {*ModelDocument.__dataclass_fields__, "format"}
        return ModelDocument(
            task=task,  # type: ignore[arg-type]
            classes=self._classes(given, task),
            targets=targets,
            inputs=self._inputs(self._get(given, "inputs", dict)),
            flattened=self._get(given, "flattened", bool),
            model_file=self._one_of(given, "model_file", (KERAS_FILE, SKOPS_FILE)),
            preprocessing_file=None
            if given.get("preprocessing_file") is None
            else self._one_of(given, "preprocessing_file", (PREPROCESSING_FILE,)),
            target_shift=shift,
            target_spread=spread,
            digests=self._get(given, "digests", dict),
            info={key: value for key, value in given.items() if key not in known},
        )

    def _classes(self, given: Mapping[str, Any], task: str) -> tuple[Any, ...]:
        if task == "regression":
            return ()
        classes = self._get(given, "classes", dict)
        type_ = LABELS[self._one_of(classes, "type", tuple(LABELS))]
        labels = self._get(classes, "labels", list)
        if len(labels) < 2 or any(type(label) is not type_ for label in labels):
            raise self._wrong("classes", f"at least 2 labels of type {type_.__name__}")
        if len(set(labels)) < len(labels):
            raise self._wrong("classes", "labels that are all different")
        return tuple(labels)

    def _inputs(self, given: Mapping[str, Any]) -> Inputs:
        others = self._texts(given, "others")
        if self._one_of(given, "kind", ("table", "array")) == "array":
            shape = self._get(given, "shape", list)
            if not all(type(length) is int and length > 0 for length in shape):
                raise self._wrong("shape", "lengths above 0")
            array = given.get("array")
            name = None if array is None else self._is(array, str, "array")
            return Inputs(shape=tuple(shape), array=name, others=others)
        columns = tuple(
            self._column(self._is(each, dict, "columns"))
            for each in self._get(given, "columns", list)
        )
        names = [column.name for column in columns]
        if not names or len(set(names)) < len(names):
            raise self._wrong("columns", "columns of distinct names")
        return Inputs(columns, others=others)

    def _column(self, given: Mapping[str, Any]) -> InputColumn:
        name = self._get(given, "name", str)
        kind = self._one_of(given, "kind", KINDS)
        typical = given.get("typical")
        if typical is not None:
            text = kind != "number"
            typical = (
                self._is(typical, str, "typical")
                if text
                else float(self._is(typical, float, "typical"))
            )
        if kind == "date":
            parts = self._texts(given, "parts")
            if not parts or not set(parts) <= set(PARTS):
                raise self._wrong("parts", f"some of {', '.join(PARTS)}")
            return InputColumn(name, "date", parts=parts, typical=typical)
        if kind == "category":
            categories = self._texts(given, "categories")
            return InputColumn(name, "category", (), categories, typical=typical)
        whole = self._get(given, "whole", bool)
        return InputColumn(name, "number", whole=whole, typical=typical)

    # Values by their types

    def _wrong(self, key: str, expected: str) -> ExportError:
        return ExportError(f"{self._file}: {key}: expected {expected}; {AGAIN}")

    def _is(self, value: Any, type_: type[T], key: str) -> T:
        fits = isinstance(value, type_)
        if type_ is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits:
            raise self._wrong(key, f"{type_.__name__}, got {type(value).__name__}")
        found: T = value
        return found

    def _get(self, given: Mapping[str, Any], key: str, type_: type[T]) -> T:
        if key not in given:
            raise self._wrong(key, "a value; it is missing")
        return self._is(given[key], type_, key)

    def _one_of(
        self, given: Mapping[str, Any], key: str, choices: Sequence[str]
    ) -> str:
        value = self._get(given, key, str)
        if value not in choices:
            raise self._wrong(key, f"one of {', '.join(choices)}, got {value[:80]!r}")
        return value

    def _texts(self, given: Mapping[str, Any], key: str) -> tuple[str, ...]:
        values = self._get(given, key, list)
        return tuple(self._is(value, str, key) for value in values)

    def _numbers(self, given: Mapping[str, Any], key: str) -> tuple[float, ...] | None:
        if given.get(key) is None:
            return None
        values = self._get(given, key, list)
        return tuple(float(self._is(value, float, key)) for value in values)
