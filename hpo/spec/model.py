"""What a study file may say: its keys, their types and their defaults.

Each field's description completes "expected ..." in the message that refuses a wrong
value. Checks that need two sections, the space or a family are `hpo.spec.read`'s.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
)

from hpo.records import Task
from hpo.space import Space
from hpo.spec.fields import (
    Duration,
    Flag,
    Metric,
    Names,
    Options,
    Text,
    Whole,
    is_name,
    later,
    section,
    whole,
    worded,
)
from hpo.spec.hyperparameters import write_space
from hpo.spec.plain import shown
from hpo.user_code import KINDS

DEFAULT_TRIALS = 20
MODEL_KEYS = ("builder", *KINDS)
TENSORFLOW: Literal["tensorflow"] = "tensorflow"
"""What Keras computes with unless a study says otherwise."""
NO_DATA = "none"
"""The source of a study whose objective needs no data."""
MAX_METRICS = 100

Strategy: TypeAlias = Literal["grid", "random", "bayesian"]
Split: TypeAlias = Literal["stratified", "kfold", "group", "time"]

_SOURCE = "a data set such as sklearn.digits, data.csv or {sklearn.moons: {noise: 0.2}}"
_TARGET = "the name of a column, or a list of names"
_COLUMNS = "a list of column names"
_AT_LEAST_1 = "a whole number of at least 1"
_SCORERS = f"a list of at most {MAX_METRICS} scorers"
_TRUE_OR_FALSE = "true or false"


def may_use_keras(model: str) -> bool:
    """Tell whether a family trains with Keras; code of the user's always may.

    Example:
        >>> [may_use_keras(m) for m in ("sklearn-mlp", "keras-mlp", "sklearn_net:make")]
        [False, True, True]
    """
    return ":" in model or not model.startswith(("sklearn-", "sklearn."))


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _canonical_source(value: dict[str, Any]) -> object:
    """Write arguments in one order, as it means nothing, and none as the name alone."""
    name, options = next(iter(value.items())) if len(value) == 1 else (None, None)
    if options is None or options == {}:
        return name
    return {name: dict(sorted(options.items()))} if isinstance(options, dict) else None


class DataSpec(_Section):
    """Where the data is and which part of it is used."""

    source: str | dict[str, Options] = Field(description=_SOURCE)
    target: str | tuple[str, ...] | None = Field(default=None, description=_TARGET)
    features: Names | None = Field(default=None, min_length=1, description=_COLUMNS)
    drop: Names = Field(default=(), description=_COLUMNS)
    group: Text | None = Field(default=None, description="the name of a column")
    order: Text | None = Field(default=None, description="the name of a column")
    test_size: Annotated[float, Field(strict=True)] = Field(
        default=0.2, ge=0, lt=1, description="a share from 0 to below 1"
    )

    @field_validator("source", mode="before")
    @classmethod
    def _one_source(cls, value: object) -> object:
        source = _canonical_source(value) if isinstance(value, dict) else value
        if not source or not isinstance(source, str | dict):
            raise worded(f"expected {_SOURCE}; got {shown(value)}")
        return source

    @field_validator("target", mode="before")
    @classmethod
    def _targets(cls, value: object) -> object:
        names = value if isinstance(value, list | tuple) else [value]
        if value is not None and not (names and all(map(is_name, names))):
            raise worded(f"expected {_TARGET}; got {shown(value)}")
        return names[0] if len(names) == 1 else tuple(names)

    @property
    def name(self) -> str:
        """The source without its arguments."""
        return self.source if isinstance(self.source, str) else next(iter(self.source))

    @property
    def options(self) -> Options:
        """Arguments of the source."""
        return {} if isinstance(self.source, str) else self.source[self.name]

    @property
    def targets(self) -> tuple[str, ...]:
        """Columns to predict; none if the source brings its own."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target


class SearchSpec(_Section):
    """How params are chosen, and when the search ends."""

    strategy: Strategy = "bayesian"
    trials: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    timeout_seconds: Duration = Field(default=None, alias="timeout")
    patience: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    seed: Annotated[int, BeforeValidator(whole), Field(strict=True)] = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description=f"a whole number from 0 to {2**32 - 1}",
    )
    width: Whole = Field(default=4, ge=1, description=_AT_LEAST_1)
    max_failures: Whole = Field(default=10, ge=1, description=_AT_LEAST_1)
    defaults_first: Flag = Field(default=True, description=_TRUE_OR_FALSE)

    @property
    def budget(self) -> int | None:
        """Number of trials after which the search ends; None for a whole grid."""
        if self.trials is not None or self.strategy == "grid":
            return self.trials
        return DEFAULT_TRIALS


MAX_OUTER_FOLDS = 100
_NESTED = f"false, or a number of outer folds from 2 to {MAX_OUTER_FOLDS}"

_OUTER = "a fold of how many, such as 1/5"


def _outer_folds(value: object) -> object:
    number = whole(value)
    if value is False or (type(number) is int and 2 <= number <= MAX_OUTER_FOLDS):
        return number
    raise worded(f"expected {_NESTED}; got {shown(value)}")


class EvaluationSpec(_Section):
    """How one trial is judged."""

    folds: Whole = Field(default=5, ge=1, description="a whole number of at least 2")
    repeats: Whole = Field(default=1, ge=1, description=_AT_LEAST_1)
    split: Split | None = None
    metric: Metric | None = Field(default=None, description="the name of a scorer")
    metrics: tuple[Metric, ...] = Field(default=(), description=_SCORERS)
    direction: Literal["maximize", "minimize"] = "maximize"
    fold_timeout_seconds: Duration = Field(default=None, alias="fold_timeout")
    racing: Literal[False, "median"] = Field(
        default=False, description="false, or median for an objective that reports"
    )
    nested: Annotated[int | bool, PlainValidator(_outer_folds)] = Field(
        default=False, description=_NESTED
    )
    outer: str | None = Field(default=None, description=_OUTER)

    @field_validator("outer")
    @classmethod
    def _one_of_several(cls, value: str | None) -> str | None:
        found = re.fullmatch(r"([1-9]\d{0,2})/([1-9]\d{0,2})", value or "1/2")
        if found is None or int(found[1]) > int(found[2]) or found[2] == "1":
            raise worded(f"expected {_OUTER}; got {shown(value)}")
        return value

    @property
    def outer_fold(self) -> tuple[int, int] | None:
        """Outer fold (from 0) that is this study's test part, and how many there are.

        None for a study that is no part of a nested cross-validation.
        """
        if self.outer is None:
            return None
        number, n_folds = map(int, self.outer.split("/"))
        return number - 1, n_folds

    @property
    def n_folds(self) -> int:
        """Folds of a trial, those of every repeat."""
        return self.folds * self.repeats

    @field_validator("metrics", mode="before")
    @classmethod
    def _not_too_many(cls, value: object) -> object:
        if isinstance(value, list) and len(value) > MAX_METRICS:
            raise worded(f"expected {_SCORERS}; got {len(value)}")
        return value

    @field_validator("racing", mode="before")
    @classmethod
    def _none_yet(cls, value: object) -> object:
        if value is False or value == "median":
            return value
        what = "expected false, as anything else is not supported yet"
        raise worded(f"{what}; got {shown(value)}")


class EngineSpec(_Section):
    """Where folds are trained."""

    kind: Annotated[Literal["local"], later("dask")] = "local"
    jobs: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    threads: Whole = Field(default=1, ge=1, description=_AT_LEAST_1)
    backend: Literal["tensorflow", "jax"] = TENSORFLOW


class StudySpec(BaseModel):
    """A study file, wholly checked, with every default filled in.

    Args:
        folder: Where the study file is: relative paths in it start from here.
        text: The study file as it was written; empty if there was none.
        allowed_modules: Packages besides the study file's folder that it may name.

    Two specs are equal if they say the same of the same folder, however written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(description="a name such as digits")
    task: Task | None = None
    data: DataSpec = Field(description="a mapping such as {source: sklearn.digits}")
    model: Text = Field(description="the name of a family such as keras-mlp")
    space: Space = Field(description="at least one hyperparameter")
    search: Annotated[SearchSpec, BeforeValidator(section)] = Field(
        default=SearchSpec(), description="a mapping such as {strategy: random}"
    )
    evaluation: Annotated[EvaluationSpec, BeforeValidator(section)] = Field(
        default=EvaluationSpec(), description="a mapping such as {folds: 5}"
    )
    select: Literal["mean", "one-se"] = Field(
        default="mean", description="mean or one-se"
    )
    engine: Annotated[EngineSpec, BeforeValidator(section)] = Field(
        default=EngineSpec(), description="a mapping such as {jobs: 4}"
    )
    folder: Path = Field(default=Path(), exclude=True)
    text: str = Field(default="", exclude=True)
    allowed_modules: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def split(self) -> Split | None:
        """How rows become folds; None for the usual way of the task."""
        if self.evaluation.split is None:
            return "group" if self.data.group else "time" if self.data.order else None
        return self.evaluation.split

    @field_validator("name")
    @classmethod
    def _fit_name(cls, name: str) -> str:
        name = unicodedata.normalize("NFC", name)
        strange = [c for c in name if not (c.isalnum() or c in "-_. ")]
        if strange or not 1 <= len(name) <= 200:
            what = "expected 1 to 200 letters, digits, spaces and -_."
            raise worded(f"{what}; got {shown(name)}")
        if name[0] in ".-" or name != name.strip():
            what = "expected a letter, a digit or _ first and no space last"
            raise worded(f"{what}; got {shown(name)}")
        return name

    @field_validator("model", mode="before")
    @classmethod
    def _a_family(cls, model: object) -> object:
        if not isinstance(model, dict) or list(model) not in [[k] for k in MODEL_KEYS]:
            return model
        ((kind, name),) = model.items()
        if isinstance(name, str) and ":" not in name:
            raise worded(f"expected module:function; got {shown(name)}")
        return name if kind == "builder" or not name else f"{kind}:{name}"

    def to_document(self) -> dict[str, Any]:
        """Return the study in the syntax of a study file, every default written out.

        It holds only what JSON can, and `hpo.spec.parse_study` makes an equal spec of
        it. The order of the hyperparameters means something: keep it when storing.
        """
        document = self.model_dump(mode="json", by_alias=True, exclude={"space"})
        keys = StudySpec.model_fields
        document["space"] = write_space(self.space)
        if self.evaluation.direction == "maximize":
            # Only an objective has a direction; scorers are all to be maximised.
            del document["evaluation"]["direction"]
        if self.evaluation.outer is None:
            # Only the studies that `evaluation.nested` makes have one.
            del document["evaluation"]["outer"]
        return {key: document[key] for key in keys if key in document}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudySpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, Path]:
        return json.dumps(self.to_document()), self.folder
