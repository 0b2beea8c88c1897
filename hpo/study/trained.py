"""How the networks of stored trials were trained, and whether that is still so.

Each fold keeps a text such as ``keras 3.15.1 tensorflow 2.21.0 stacked``: packages with
their versions, then in what way they trained it. Only metadata is read here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata

from hpo.errors import StudyError
from hpo.records import Trial

UNTOLD = "objective"
"""What the folds of an objective say, whose networks are its own business."""

_PACKAGE = re.compile(r"([A-Za-z][\w.-]*) (\d\S*)(?: |$)")


def trained_by(trials: Iterable[Trial]) -> dict[str, int]:
    """Return in how many folds each text occurs, the most frequent first."""
    texts = (fold.engine for trial in trials for fold in trial.folds)
    return dict(Counter(t for t in texts if t not in ("", UNTOLD)).most_common())


def trained_words(counts: Mapping[str, int]) -> str:
    """Word the counts, as in ``keras 3.15.1 jax 0.10.2 stacked (15 folds)``."""
    return "; ".join(
        f"{text} ({count:,} fold{'s' if count != 1 else ''})"
        for text, count in counts.items()
    )


def fit_words(trials: Iterable[Trial]) -> str | None:
    """Say that networks were trained one by one by Keras' own ``fit``, and why.

    Returns:
        A sentence, or None if all were trained in compiled programs, or by others.
    """
    counts = trained_by(trials)
    reasons: Counter[str] = Counter()
    for text, count in counts.items():
        _, mark, reason = text.partition(" fit: ")
        if mark:
            reasons[reason] += count
    if not reasons:
        return None
    return (
        f"{reasons.total():,} of {sum(counts.values()):,} folds were trained by Keras' "
        f"own fit, which takes longer than a compiled program: {'; '.join(reasons)}"
    )


def other_versions(trials: Iterable[Trial]) -> str | None:
    """Say that stored trials were trained with other versions than are installed.

    Not of Keras, with which a study does not go on at all; see `require_versions`.

    Returns:
        One sentence with both, or None if nothing has changed.
    """
    changed = {old: now for old, now in _changed(trials) if not _is_keras(old)}
    if not changed:
        return None
    old, now = "; ".join(changed), "; ".join(dict.fromkeys(changed.values()))
    return (
        f"its trials so far were trained by {old}, and from now on it is {now}: the "
        "same params may score a little differently"
    )


def require_versions(name: str, trials: Iterable[Trial]) -> None:
    """Refuse to train networks of a study by another Keras or backend than before.

    Args:
        name: Of the study.
        trials: Of the study, as stored.

    Raises:
        StudyError: Other versions are installed now; names both and the ways out.
    """
    for old, now in _changed(trials):
        if _is_keras(old):
            packages = " ".join(f"{which}=={what}" for which, what in _packages(old))
            raise StudyError(
                f"study {name!r} was begun with {old}, and {now} is installed now, so "
                "its trials could not be compared: the same params may score "
                f"differently. Install those again with `pip install {packages}`, or "
                "begin a new study with `hpo run FILE --name NEW`."
            )


def _changed(trials: Iterable[Trial]) -> list[tuple[str, str]]:
    """Return stored versions that are not those of now, with those of now."""
    stored = dict.fromkeys(versions(text) for text in trained_by(trials))
    return [(old, now) for old in stored if (now := _installed(old)) != old]


def _is_keras(text: str) -> bool:
    return text.startswith("keras ")


def versions(text: str) -> str:
    """Return the packages and versions that a text begins with.

    Example:
        >>> versions("keras 3.15.1 tensorflow 2.21.0 fit: custom train_step")
        'keras 3.15.1 tensorflow 2.21.0'
    """
    return " ".join(" ".join(pair) for pair in _packages(text))


def _packages(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while match := _PACKAGE.match(text, place):
        found.append((match[1], match[2]))
        place = match.end()
    return found


def _installed(stored: str) -> str:
    return " ".join(f"{name} {_now(name, old)}" for name, old in _packages(stored))


def _now(name: str, stored: str) -> str:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:  # it may have come under another name
        return stored
    # The same version may be written 2.22.0-rc1 by the package and 2.22.0rc1 here.
    return stored if installed == stored.replace("-", "") else installed
