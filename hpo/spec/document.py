"""Read a study file as YAML 1.2 and remember the line of every key.

Only what the core schema of YAML 1.2 knows is let through: no tags, no merge keys, no
second document. It knows nothing of what the keys mean.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hpo.errors import Problem, SpecError, near_match
from hpo.spec.core_schema import parse, scalar
from hpo.spec.plain import (
    MAX_DEPTH,
    MAX_VALUES,
    Mistake,
    at,
    shown,
    why_no_key,
)

MAX_BYTES = 200_000
"""Of a study file: `MAX_VALUES` values fit, and the slowest takes under a second."""
MAX_HINTS = 10
"""Mistakes for which a near match is looked for, which takes time."""

_PLAINER = {
    "mapping values are not allowed here": (
        "a ':' is not expected here; check the indentation, or quote the text"
    ),
    "found character '\\t' that cannot start any token": (
        "a tab is not expected here; indent with spaces"
    ),
    "found unexpected end of stream": "a quote is not closed",
}
_TOKENS = {
    "<scalar>": "text",
    "<stream end>": "the end of the file",
    "<block end>": "the end of the block",
    "<block mapping start>": "a key",
    "<block sequence start>": "a list",
}


@dataclass
class Document:
    """A study file that could be read.

    Args:
        file: The file as the user named it.
        text: Its whole text.
        value: Plain dicts, lists and scalars; None where something was refused.
        lines: Line, from 1, of every key and list entry by dotted path.
        mistakes: What was refused.
    """

    file: str
    text: str
    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, where: str) -> int | None:
        """Return the line of ``where`` or, failing that, of what it is in."""
        while where and where not in self.lines:
            where = re.sub(r"(^|\.)[^.\[]*$|\[[^\[]*$", "", where)
        return self.lines.get(where)


def read_document(path: Path) -> Document:
    """Read the YAML file at ``path``.

    Raises:
        SpecError: It is no readable YAML 1.2 document; the message gives file and line.
    """
    text = _read_text(path)
    document = Document(file=str(path), text=text)
    try:
        _Reader(document).read()
    except YAMLError as error:
        raise _not_yaml(document.file, error) from error
    return document


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise _unreadable(path, "expected a study file; got a directory")
        if not path.exists():
            raise _unreadable(path, f"no such file{_near_file(path)}")
        if not path.is_file():
            raise _unreadable(path, "expected a study file; got a device or a pipe")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _unreadable(path, "expected a study file of at most 200 kB; got more")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"expected UTF-8 text; got the byte 0x{content[error.start]:02x}"
        raise SpecError([Problem(f"{path}:{line}", what)]) from error
    unprintable = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd]", text)
    if unprintable and ord(unprintable[0]) < 0x10000:
        line = text.count("\n", 0, unprintable.start()) + 1
        found = f"U+{ord(unprintable[0]):04X}"
        what = f"control characters are not allowed; got {found}"
        raise SpecError([Problem(f"{path}:{line}", what)])
    if long := re.search(r"(?:^|[\s\[{,])(![^\s]{1000})", text):  # read ever slower
        line = text.count("\n", 0, long.start(1)) + 1
        what = "tags such as !... are not allowed; write a plain value"
        raise SpecError([Problem(f"{path}:{line}", what)])
    return text


def _unreadable(path: Path, what: str) -> SpecError:
    return SpecError([Problem(str(path), what)])


def _near_file(path: Path) -> str:
    try:
        beside = [p.name for p in islice(path.parent.glob("*.y*ml"), 1000)]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, beside, n=1)
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else ""


def _not_yaml(file: str, error: YAMLError) -> SpecError:
    """Word an error of the YAML library as one sentence with its line."""
    problem, line, since = "it cannot be read as text", None, ""
    if isinstance(error, MarkedYAMLError):
        problem = str(error.problem or error.context)
        line = error.problem_mark.line + 1 if error.problem_mark else None
        start = error.context_mark.line + 1 if error.context_mark else line
        since = f" (in what starts on line {start})" if start != line else ""
    problem = _PLAINER.get(problem, problem)
    # The parser names tokens as '<scalar>', "('<scalar>',)" or <block end>.
    problem = re.sub(
        r"(?:\(?')?(<[a-z ]+>)(?:',?\)?)?",
        lambda match: _TOKENS.get(match[1], match[1].strip("<>")),
        problem,
    )
    what = f"not valid YAML: {problem}{since}"
    return SpecError([Problem(f"{file}:{line}" if line else file, what)])


class _Reader:
    """Builds plain values from the events of the parser, which is lazy.

    So a file that is too deep or too long is given up early; the limits on what its
    aliases expand to are `hpo.spec.plain`'s.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._anchors: dict[str, Any] = {}
        self._n_values = 0
        self._events: Iterator[Any] = iter(())

    def read(self) -> None:
        self._events = parse(self._document.text)
        next(self._events)
        start = next(self._events)
        if _kind(start) == "StreamEnd":
            self._stop(None, "the file is empty; expected a study")
        if start.version not in (None, (1, 2)):
            version = ".".join(map(str, start.version))
            self._stop(_line(start), f"expected YAML 1.2; got version {version}")
        node = next(self._events)
        value = self._value(node, "", 1)
        if not isinstance(value, dict) and not self._document.mistakes:
            expected = "expected keys such as name, data, model and space"
            self._stop(_line(node), f"{expected}; got {shown(value)}")
        next(self._events)
        more = next(self._events)
        if _kind(more) != "StreamEnd":
            self._stop(_line(more), "expected one document; a second starts here")
        self._document.value = value

    def _value(self, event: Any, where: str, depth: int) -> Any:
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            self._stop(_line(event), f"expected at most {MAX_VALUES} values; got more")
        if depth > MAX_DEPTH + 1:
            what = f"expected at most {MAX_DEPTH} levels of nesting; got more"
            self._stop(_line(event), what)
        kind = _kind(event)
        if kind == "Alias":
            return self._alias(event, where)
        if event.tag is not None:
            what = (
                f"tags such as {_tag(event.tag)} are not allowed; write a plain value"
            )
            self._refuse(event, where, what)
        value: Any
        if kind == "SequenceStart":
            value = list(self._entries(where, depth))
        elif kind == "MappingStart":
            value = self._mapping(where, depth)
        else:
            value = scalar(event)
        if event.tag is not None:
            value = None
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _entries(self, where: str, depth: int) -> Iterator[Any]:
        for index, event in enumerate(self._until("SequenceEnd")):
            self._document.lines[at(where, index)] = _line(event)
            yield self._value(event, at(where, index), depth + 1)

    def _mapping(self, where: str, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        lines = self._document.lines
        for event in self._until("MappingEnd"):
            key = self._value(event, where, depth + 1)
            text = key if isinstance(key, str) else shown(key)
            wrong = why_no_key(text) if isinstance(key, str) else None
            path = at(where, "?" if wrong else text)
            if wrong:
                self._refuse(event, path, wrong)
            elif text in mapping:
                what = f"{text!r} is given twice, first on line {lines.get(path)}"
                self._refuse(event, path, what)
            elif text == "<<" and getattr(event, "style", None) is None:
                what = "merge keys (<<) are not part of YAML 1.2; write the keys out"
                self._refuse(event, path, what)
            elif not isinstance(key, str):
                what = f"expected text as a key; got {shown(key)}"
                self._refuse(event, path, f"{what}; put it in quotes")
            else:
                lines[path] = _line(event)
                mapping[text] = None
                mapping[text] = self._value(next(self._events), path, depth + 1)
                continue
            self._value(next(self._events), "?", depth + 1)
        return mapping

    def _until(self, end: str) -> Iterator[Any]:
        while _kind(event := next(self._events)) != end:
            yield event

    def _alias(self, event: Any, where: str) -> Any:
        if event.anchor not in self._anchors:
            some = len(self._document.mistakes) < MAX_HINTS
            hint = near_match(event.anchor, self._anchors) if some else ""
            what = f"no anchor &{event.anchor[:60]} is complete before this alias{hint}"
            self._refuse(event, where, what)
        return self._anchors.get(event.anchor)

    def _refuse(self, event: Any, where: str, what: str) -> None:
        self._document.mistakes.append(Mistake(where, what, _line(event)))

    def _stop(self, line: int | None, what: str) -> None:
        where = f"{self._document.file}:{line}" if line else self._document.file
        raise SpecError([Problem(where, what)])


def _kind(event: Any) -> str:
    return type(event).__name__.removesuffix("Event")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _tag(tag: object) -> str:
    return str(tag).replace("tag:yaml.org,2002:", "!!")[:60]
