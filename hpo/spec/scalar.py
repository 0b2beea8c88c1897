"""One value outside a study file, read as the file would read it.

It owns what `64`, `1e-3`, `true` or `relu` on a command line mean, and refuses lists,
mappings, tags and numbers that are not finite.
"""

from __future__ import annotations

from ruamel.yaml.error import YAMLError

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.spec.core_schema import parse, scalar
from hpo.spec.plain import MAX_TEXT, plain, shown

_EXPECTED = "expected one value, such as 64, 1e-3, true, null or relu"


def read_scalar(text: str, where: str) -> ParamValue:
    """Return the value that a study file would take ``text`` for.

    Args:
        text: As it would stand behind the colon.
        where: What messages call it.

    Raises:
        SpecError: It is no plain, finite value.

    Example:
        >>> read_scalar("1e-3", ""), read_scalar("no", ""), read_scalar("'1'", "")
        (0.001, 'no', '1')
    """
    refused = SpecError([Problem(where, f"{_EXPECTED}; got {shown(text)}")])
    if len(text) > MAX_TEXT:
        raise refused
    try:
        events = list(parse(text))
    except YAMLError as error:
        raise refused from error
    # The stream and the document begin and end around it.
    found = [e for e in events if type(e).__name__ not in _FRAME]
    if len(found) != 1 or type(found[0]).__name__ != "ScalarEvent":
        raise refused
    if found[0].tag or found[0].anchor:
        raise refused
    value, mistakes = plain(scalar(found[0]))
    if mistakes:
        raise SpecError([Problem(where, mistakes[0].what)])
    result: ParamValue = value
    return result


_FRAME = (
    "StreamStartEvent",
    "DocumentStartEvent",
    "DocumentEndEvent",
    "StreamEndEvent",
)
