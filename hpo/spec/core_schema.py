"""YAML 1.2 as text becomes it: the parser's events, and what a scalar means.

Only the core schema counts, and nothing that the library makes of a text besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hpo.spec.plain import MAX_TEXT

# YAML 1.2.2, section 10.3.2 (core schema). Resolved here because ruamel.yaml makes
# dates of `2024-01-01` and numbers of `1_000`.
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?)\.(?:(inf|Inf|INF)|nan|NaN|NAN)")


def parse(text: str) -> Iterator[Any]:
    """Yield the parser's events, lazily.

    Raises:
        YAMLError: The text is no YAML, or the parser breaks of it.
    """
    mark = None
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            mark = event.end_mark
            yield event
    except YAMLError:
        raise
    except Exception as error:
        # ruamel.yaml takes chr() of any \U escape and int() of any %YAML version.
        what = "an escape or a version from here on is out of range"
        raise MarkedYAMLError(problem=what, problem_mark=mark) from error


def scalar(event: Any) -> Any:
    """Return the plain value of a scalar of the parser, by the rules of YAML 1.2."""
    text = event.value
    if event.style is not None or len(text) > MAX_TEXT:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _NOT_FINITE.fullmatch(text):
        return float(match[1] + ("inf" if match[2] else "nan"))
    return text
