"""One hyperparameter of the MLP families: what describes it, and which values it takes.

It judges single values. Which hyperparameters there are is in `hpo.models.vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hpo.errors import one_of
from hpo.records import ParamValue, Task

SKLEARN = "sklearn-mlp"
KERAS = "keras-mlp"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One hyperparameter of the networks.

    Args:
        name: What a space calls it.
        kind: What its values are.
        meaning: One line for help and documentation.
        default: Its value where params do not have it; None means none.
        low: Least number, or None; excluded if ``low_open``.
        high: Greatest number, or None; excluded if ``high_open``.
        low_open: Whether ``low`` itself is refused.
        high_open: Whether ``high`` itself is refused.
        choices: Texts that both families know.
        keras_choices: Texts that only `keras-mlp` knows besides.
        sklearn_choices: Texts that only `sklearn-mlp` knows besides.
        optional: Whether None is a value too.
        families: Who has it.
        task: The only task it is for, or None for both.
        optimizers: The only optimizers that read it; empty if all do.
    """

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    meaning: str
    default: ParamValue = None
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    keras_choices: tuple[str, ...] = ()
    sklearn_choices: tuple[str, ...] = ()
    optional: bool = False
    families: tuple[str, ...] = (SKLEARN, KERAS)
    task: Task | None = None
    optimizers: tuple[str, ...] = ()

    def choices_of(self, family: str) -> tuple[str, ...]:
        """Return the texts that ``family`` knows."""
        own = {KERAS: self.keras_choices, SKLEARN: self.sklearn_choices}
        return self.choices + own.get(family, ())

    def why_not(self, value: ParamValue, family: str) -> str | None:
        """Say why ``value`` cannot be used, or None if it can."""
        if value is None and self.optional:
            return None
        if self.kind == "bool":
            right = isinstance(value, bool)
            return None if right else f"expected true or false; got {value!r}"
        if self.kind == "choice":
            return self._why_no_choice(value, family)
        return self._why_no_number(value)

    def _why_no_choice(self, value: ParamValue, family: str) -> str | None:
        if value in self.choices_of(family):
            return None
        choices = self.choices_of(family)
        refusal = one_of(value, (*choices, "null") if self.optional else choices)
        other = KERAS if family == SKLEARN else SKLEARN
        if value in self.choices_of(other):
            return f"{family} has no {self.name} {value!r}; {other} has it; {refusal}"
        return refusal

    def _why_no_number(self, value: ParamValue) -> str | None:
        whole = self.kind == "int"
        kind = "a whole number" if whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = " or null" if self.optional else ""
            return f"expected {kind}{hint}; got {value!r}"
        if whole and value != int(value):
            return f"expected {kind}; got {value!r}"
        low, high = self.low, self.high
        if low is not None and (value < low or (self.low_open and value == low)):
            bound = "above" if self.low_open else "at least"
            return f"must be {bound} {low:g}; got {value!r}"
        if high is not None and (value > high or (self.high_open and value == high)):
            bound = "below" if self.high_open else "at most"
            return f"must be {bound} {high:g}; got {value!r}"
        return None
