"""What a study file may say: its keys, their types and their defaults.

Each field's description completes "expected ..." in the message that refuses a wrong
value. Checks that need two sections, the space or a family are `hpo.spec.read`'s.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)
from pydantic_core import PydanticCustomError

from hpo.metrics import why_unknown
from hpo.records import Task
from hpo.space import Space
from hpo.spec.hyperparameters import write_space
from hpo.spec.plain import shown

DEFAULT_TRIALS = 20
MAX_SECONDS = 366 * 86_400
MAX_COUNT = 1_000_000_000

Strategy: TypeAlias = Literal["grid", "random", "bayesian"]


def worded(what: str) -> PydanticCustomError:
    """Return an error whose text is shown to the user as it is."""
    return PydanticCustomError("worded", "{what}", {"what": what})


def _later(*values: object) -> BeforeValidator:
    """Refuse values that the design names and this version lacks; with none, any."""

    def check(value: object) -> object:
        if value is not None and not values:
            raise worded("is not supported yet")
        if value is not None and value in values:
            raise worded(f"{shown(value)} is not supported yet")
        return value

    return BeforeValidator(check)


def _whole(value: object) -> object:
    """Take 100.0 (``1e2`` in a study file) for 100."""
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value  # type: ignore[call-overload]


def parse_duration(value: object) -> object:
    """Return seconds for ``1h30m``, ``45s``, ``90`` or a number; None for None."""
    seconds = value
    if isinstance(value, str):
        text = value.replace(" ", "")
        number = r"(\d+(?:\.\d+)?)"
        parts = re.fullmatch(
            rf"(?:{number}d)?(?:{number}h)?(?:{number}m)?(?:{number}s?)?",
            text,
            re.ASCII,
        )
        units = (86_400, 3_600, 60, 1)
        found = [float(part or 0) for part in parts.groups()] if parts else []
        seconds = math.fsum(n * u for n, u in zip(found, units, strict=False))
    if value is None:
        return None
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or seconds <= 0
    ):
        expected = "expected a time above 0, such as 30m, 1h30m or 90 (seconds)"
        raise worded(f"{expected}; got {shown(value)}")
    if seconds > MAX_SECONDS:
        raise worded(f"expected at most 366 days; got {shown(value)}")
    return float(seconds)


def _section(value: object) -> object:
    """Take a section with nothing in it for one that is left out."""
    return {} if value is None else value


def _once(repeats: int) -> int:
    if repeats > 1:
        raise worded(f"repeats above 1 are not supported yet; got {repeats}")
    return repeats


def _known_metric(name: str) -> str:
    if what := why_unknown(name):
        raise worded(what)
    return name


Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True, le=MAX_COUNT)]
Flag = Annotated[bool, Field(strict=True)]
Duration = Annotated[float | None, BeforeValidator(parse_duration)]
Text = Annotated[str, Field(min_length=1)]
Metric = Annotated[str, AfterValidator(_known_metric)]
Names: TypeAlias = tuple[Text, ...]

_COLUMNS = "a list of column names"
_AT_LEAST_1 = "a whole number of at least 1"
_TRUE_OR_FALSE = "true or false"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(_Section):
    """Where the data is and which part of it is used."""

    source: Text = Field(description="a data set such as sklearn.digits or data.csv")
    target: Text | None = Field(default=None, description="the name of a column")
    features: Names | None = Field(default=None, min_length=1, description=_COLUMNS)
    drop: Names = Field(default=(), description=_COLUMNS)
    group: Annotated[str | None, _later()] = None
    order: Annotated[str | None, _later()] = None
    test_size: Annotated[float, Field(strict=True)] = Field(
        default=0.2, ge=0, lt=1, description="a share from 0 to below 1"
    )

    @field_validator("target", mode="before")
    @classmethod
    def _one_target(cls, value: object) -> object:
        if isinstance(value, list):
            raise worded("several targets are not supported yet; name one column")
        return value


class SearchSpec(_Section):
    """How params are chosen, and when the search ends."""

    strategy: Strategy = "bayesian"
    trials: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    timeout_seconds: Duration = Field(default=None, alias="timeout")
    patience: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    seed: Annotated[int, BeforeValidator(_whole), Field(strict=True)] = Field(
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


class EvaluationSpec(_Section):
    """How one trial is judged."""

    folds: Whole = Field(default=5, ge=2, description="a whole number of at least 2")
    repeats: Annotated[Whole, AfterValidator(_once)] = Field(
        default=1, ge=1, description=_AT_LEAST_1
    )
    split: Annotated[Literal["stratified", "kfold"] | None, _later("group", "time")] = (
        None
    )
    metric: Metric | None = Field(default=None, description="the name of a scorer")
    metrics: tuple[Metric, ...] = Field(default=(), description="a list of scorers")
    fold_timeout_seconds: Duration = Field(default=None, alias="fold_timeout")
    racing: Literal[False] = Field(default=False, description="false")
    nested: Literal[False] = Field(default=False, description="false")

    @field_validator("racing", "nested", mode="before")
    @classmethod
    def _none_yet(cls, value: object) -> object:
        if value is not False:
            what = "expected false, as anything else is not supported yet"
            raise worded(f"{what}; got {shown(value)}")
        return value


class EngineSpec(_Section):
    """Where folds are trained."""

    kind: Annotated[Literal["local"], _later("dask")] = "local"
    jobs: Whole | None = Field(default=None, ge=1, description=_AT_LEAST_1)
    threads: Whole = Field(default=1, ge=1, description=_AT_LEAST_1)
    backend: Annotated[Literal["tensorflow"], _later("jax")] = "tensorflow"


class StudySpec(BaseModel):
    """A study file, wholly checked, with every default filled in.

    Args:
        folder: Where the study file is: relative paths in it start from here.
        text: The study file as it was written; empty if there was none.

    Two specs are equal if they say the same of the same folder, however written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(description="a name such as digits")
    task: Task | None = None
    data: DataSpec = Field(description="a mapping such as {source: sklearn.digits}")
    model: Text = Field(description="the name of a family such as keras-mlp")
    space: Space = Field(description="at least one hyperparameter")
    search: Annotated[SearchSpec, BeforeValidator(_section)] = Field(
        default=SearchSpec(), description="a mapping such as {strategy: random}"
    )
    evaluation: Annotated[EvaluationSpec, BeforeValidator(_section)] = Field(
        default=EvaluationSpec(), description="a mapping such as {folds: 5}"
    )
    select: Annotated[str | None, _later()] = None
    engine: Annotated[EngineSpec, BeforeValidator(_section)] = Field(
        default=EngineSpec(), description="a mapping such as {jobs: 4}"
    )
    folder: Path = Field(default=Path(), exclude=True)
    text: str = Field(default="", exclude=True)

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
        kinds = ("keras_tuner", "objective", "builder")
        if isinstance(model, dict) and list(model) in [[kind] for kind in kinds]:
            raise worded(f"{next(iter(model))} is not supported yet; name a family")
        if isinstance(model, str) and ":" in model:
            raise worded("module:function is not supported yet; name a family")
        return model

    def to_document(self) -> dict[str, Any]:
        """Return the study in the syntax of a study file, every default written out.

        It holds only what JSON can, and `hpo.spec.parse_study` makes an equal spec of
        it. The order of the hyperparameters means something: keep it when storing.
        """
        document = self.model_dump(mode="json", by_alias=True, exclude={"space"})
        keys = StudySpec.model_fields
        document["space"] = write_space(self.space)
        return {key: document[key] for key in keys if key in document}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudySpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, Path]:
        return json.dumps(self.to_document()), self.folder
