"""Numbers and choices: which are the same, and which lie between two bounds.

Plain functions of plain values; nothing here knows a hyperparameter.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, overload

from hpo.records import ParamValue


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number, and not true or false."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return False
    # A whole number too large for a float is a number all the same.
    return isinstance(value, int) or math.isfinite(float(value))


def same(a: object, b: object) -> bool:
    """Equal and of the same kind: 1 is 1.0, but 1 is not True."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def identity(value: object) -> Hashable:
    """Return what is equal for two values exactly if they are the `same`."""
    return value, isinstance(value, bool)


def alike(a: Any, b: Any) -> bool:
    """Tell whether two values are the same choice, but for rounding."""
    if is_number(a) and is_number(b) and (isinstance(a, float) or isinstance(b, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return same(a, b)


def placed(
    values: Sequence[ParamValue], axis: Sequence[Any]
) -> Iterator[tuple[ParamValue, int]]:
    """Yield each value that is on an axis, once, and its place there."""
    place_of: dict[Hashable, int] = {}
    if not isinstance(axis, range | Steps):
        place_of = {identity(value): place for place, value in enumerate(axis)}
    for key, value in {identity(value): value for value in values}.items():
        place = place_of.get(key)
        if isinstance(axis, range | Steps) and is_number(value):
            place = _place(value, axis)
        if place is not None:
            yield value, place


def _place(value: Any, axis: range | Steps) -> int | None:
    if isinstance(axis, Steps):
        return next((p for p in axis.places_near(value) if axis[p] == value), None)
    return axis.index(int(value)) if value == int(value) in axis else None


class Steps(Sequence[float]):
    """The numbers low, low + step, ... up to high, of which none is kept.

    They are counted in decimal, so that 3 steps of 0.1 are 0.3.
    """

    def __init__(self, low: float, high: float, step: float) -> None:
        self._low, self._step = Decimal(str(low)), Decimal(str(step))
        self._count = int((Decimal(str(high)) - self._low) / self._step) + 1

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[float, ...]: ...

    def __getitem__(self, index: int | slice) -> float | tuple[float, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self._count)))
        return float(self._low + range(self._count)[index] * self._step)

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash((self._low, self._step, self._count))

    def __repr__(self) -> str:
        return f"Steps({self._low}, ..., {self[-1]})"

    def places_near(self, wanted: float) -> range:
        """Return the few places around ``wanted``."""
        share = (Decimal(str(float(wanted))) - self._low) / self._step
        place = int(min(max(share, Decimal(0)), Decimal(self._count - 1)))
        return range(max(place - 1, 0), min(place + 3, self._count))

    def near(self, wanted: float) -> list[float]:
        """Return the few values around ``wanted``, in order."""
        return [self[place] for place in self.places_near(wanted)]


def spaced(
    low: float, high: float, points: int, *, log: bool, short: bool = False
) -> list[float]:
    """Return so many values from low to high, evenly on their scale.

    With ``short``, those between are rounded to six digits, which is enough to read,
    unless the range is too narrow for that.
    """
    if low == high:
        return [float(low)]
    if points == 1:
        return [middle(low, high, log=log)]
    shares = [index / (points - 1) for index in range(1, points - 1)]
    if log:
        inner = [_between_logs(low, high, share) for share in shares]
    else:
        inner = [low + (high - low) * share for share in shares]
    inner = [min(max(value, low), high) for value in inner]
    exact = [float(low), *inner, float(high)]
    if not short:
        return exact
    rounded = [float(low), *(float(f"{v:.6g}") for v in inner), float(high)]
    if all(a < b for a, b in pairwise(rounded)):
        return rounded
    return list(dict.fromkeys(exact))  # so narrow that floats run out


def thin(values: Any, points: int | None) -> Any:
    """Take ``points`` of the values, evenly from the first to the last."""
    if values is None or points is None or points >= len(values):
        return values
    if points == 1:
        return (values[(len(values) - 1) // 2],)
    return tuple(
        values[round(i * (len(values) - 1) / (points - 1))] for i in range(points)
    )


def middle(low: float, high: float, *, log: bool) -> float:
    """Return the middle of a range, the geometric one if log."""
    if not log:
        return (low + high) / 2
    product = low * high
    if LEAST_PRODUCT <= product < math.inf:
        return math.sqrt(product)
    return min(max(math.sqrt(low) * math.sqrt(high), low), high)


LEAST_PRODUCT = 1e-290
"""Below it a product of two floats loses digits."""


def _between_logs(low: float, high: float, share: float) -> float:
    ratio = high / low
    if math.isfinite(ratio):
        return float(low * ratio**share)
    return math.exp(math.log(low) * (1 - share) + math.log(high) * share)


def brief(value: object, room: int = 70) -> str:
    """Show a value in a message, shortened if need be.

    What is long is never written out to be cut: a list may hold itself many times over.
    """
    text = _short(value, room)
    if text is not None:
        return text
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} values"
    if isinstance(value, int):
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)} keys"
    text = repr(value[:room]) if isinstance(value, str) else repr(value)
    return f"{text[: room - 10]}..."


def _short(value: object, room: int) -> str | None:
    """Return the ``repr`` of a value, or None if it is longer than ``room``."""
    if isinstance(value, list | tuple):
        parts: list[str] = []
        for entry in value:
            part = _short(entry, room - 2)
            if part is None:
                return None
            room -= len(part) + 2
            parts.append(part)
        return f"[{', '.join(parts)}]" if room >= 0 else None
    if isinstance(value, Mapping):
        pairs = _short([part for pair in value.items() for part in pair], room) and [
            f"{key!r}: {_short(entry, room)}" for key, entry in value.items()
        ]
        return None if pairs is None else f"{{{', '.join(pairs)}}}"
    if isinstance(value, str) and len(value) > room:
        return None
    if isinstance(value, int) and value.bit_length() > 4 * max(room, 0):
        return None
    text = repr(value)
    return text if len(text) <= room else None


def closest(values: Any, wanted: Any) -> Any:
    """Return the value nearest to the wanted one, the lower of two equally near."""
    return min(values, key=lambda value: (abs(value - wanted), value))
