"""Names and values as MLflow takes them: readable, unique, and never over a limit.

MLflow refuses some characters in names, and cuts or refuses long values. What had to be
changed is told, so that the original can be kept in an artifact.
"""

from __future__ import annotations

import hashlib
import posixpath
import re

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_EXPERIMENT = 500

_REFUSED = re.compile(r"[^\w.\- /]")
_LIKE_MARKED = re.compile(r"(^|\.)[0-9a-f]{8}$")
# To the last @, past a colon over anything: passwords may hold what they like.
_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)([^\s/:@]*:\S+|[^\s/?#'\"]+)@")
_QUERY_SECRET = re.compile(
    r"(?P<name>[?&][\w-]*(?:pass|pwd|secret|token|key|auth|credential|signature"
    r"|\bsig|odbc_connect)[\w-]*=)[^&\s'\"]+",
    re.IGNORECASE,
)


def key(name: str) -> str:
    """Return a name that MLflow takes: the same one, or a like one with a mark.

    Equal names give equal keys, and different names different ones: a changed name ends
    with eight digits of its hash, and so does one that looks as if it had been changed.
    """
    taken = _REFUSED.sub("_", name)
    fits = 0 < len(name) <= MAX_KEY and not _LIKE_MARKED.search(name)
    if taken == name and fits and _is_plain_path(name):
        return name
    mark = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    # Slashes and leading dots would make a path of it.
    readable = taken.replace("/", "_").strip(". ")[: MAX_KEY - 9]
    return f"{readable}.{mark}" if readable else mark


def _is_plain_path(name: str) -> bool:
    """Tell whether a name, read as a path, is already in its shortest form."""
    path = posixpath.normpath(name)
    return path == name and path != "." and not path.startswith(("..", "/"))


def shortened(text: str, limit: int) -> str:
    """Return the text, or its beginning with a note of how much there was."""
    if len(text) <= limit:
        return text
    note = f" ... ({len(text)} characters)"
    return text[: limit - len(note)] + note


def experiment_name(study: str) -> str:
    """Return the name of a study's experiment: its own."""
    return shortened(study, MAX_EXPERIMENT)


def without_secrets(text: str) -> str:
    """Return a text without what stands before the @ of an address, or in its query."""
    text = _PASSWORD.sub(r"\g<scheme>***@", text)
    return _QUERY_SECRET.sub(r"\g<name>***", text)
