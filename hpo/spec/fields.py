"""Types of the values in a study file, and how a wrong one is refused."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from hpo.metrics import why_unknown
from hpo.spec.plain import shown

MAX_SECONDS = 366 * 86_400
MAX_COUNT = 1_000_000_000
OWN_METRICS = {"own_metrics": True}
"""Context of a validation where metrics need not be scorers."""


def worded(what: str) -> PydanticCustomError:
    """Return an error whose text is shown to the user as it is."""
    return PydanticCustomError("worded", "{what}", {"what": what})


def later(*values: object) -> BeforeValidator:
    """Refuse values that the design names and this version lacks; with none, any."""

    def check(value: object) -> object:
        if value is not None and not values:
            raise worded("is not supported yet")
        if value is not None and value in values:
            raise worded(f"{shown(value)} is not supported yet")
        return value

    return BeforeValidator(check)


def whole(value: object) -> object:
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
        # Numbers beyond any limit are cut, as their sum may be no float.
        found = [min(float(p or 0), 1e12) for p in parts.groups()] if parts else []
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


def section(value: object) -> object:
    """Take a section with nothing in it for one that is left out."""
    return {} if value is None else value


def _known_metric(name: str, info: ValidationInfo) -> str:
    # An objective has metrics of its own.
    if info.context is not OWN_METRICS and (what := why_unknown(name)):
        raise worded(what)
    return name


def is_name(value: object) -> bool:
    """Tell whether a value can be the name of a column."""
    return isinstance(value, str) and value != ""


Whole = Annotated[int, BeforeValidator(whole), Field(strict=True, le=MAX_COUNT)]
Flag = Annotated[bool, Field(strict=True)]
Duration = Annotated[float | None, BeforeValidator(parse_duration)]
Text = Annotated[str, Field(min_length=1)]
Metric = Annotated[str, AfterValidator(_known_metric)]
Names: TypeAlias = tuple[Text, ...]
Options: TypeAlias = dict[str, Any]
"""Arguments of a data source by name, as plain values."""
