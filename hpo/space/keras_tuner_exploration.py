"""Finding the hyperparameters that a ``build(hp)`` asks for, by calling it.

First as Keras Tuner's own tuners do, until every conditional scope was active once;
then with other values of each hyperparameter, as a plain ``if`` or loop hides what it
asks for from that. It knows no models: what is called may build anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import ParamValue
from hpo.space.keras_tuner_kinds import as_hyperparameter, ends

MAX_BUILDS = 200
MAX_NAMES = 300
"""Hyperparameters that are looked for at most: a space has no more."""


class Explorer:
    """What a function asks for, over several calls.

    Args:
        build: Called with a container of hyperparameters; what it returns is dropped.
        new: Makes an empty container: ``keras_tuner.HyperParameters``.
        max_builds: How often ``build`` may be called.
        word: Words what it raised.

    Attributes:
        known: A container of all that was asked for.
        notes: What a user should know of it, a sentence each.
        n_builds: How often it was called.
    """

    def __init__(
        self,
        build: Callable[[Any], object],
        new: Callable[[], Any],
        *,
        max_builds: int = MAX_BUILDS,
        word: Callable[[Exception], str] = repr,
    ) -> None:
        self._build, self._max_builds, self._word = build, max_builds, word
        self.known = new()
        self.notes: list[str] = []
        self.n_builds = 0
        self._waiting: list[Any] = []
        self._seen: list[Any] = []
        self._hidden: dict[str, list[str]] = {}
        self._failures: dict[str, list[str]] = {}

    def explore(self) -> None:
        """Call ``build`` until nothing more is found.

        Raises:
            SpecError: There are more conditional scopes than calls, or too many names.
            Exception: What ``build`` raises for the default values.
        """
        container = self.known.copy()
        self._build(container)
        self.n_builds += 1
        self._take(container)
        self._open_scopes()
        self._look_behind_ifs()
        for parent, names in self._hidden.items():
            self.notes.append(
                f"{', '.join(names)}: asked for only with some values of {parent}, "
                "behind a plain `if` or loop; searched with its other values too, as "
                "Keras Tuner does; hp.conditional_scope() tells when it is used"
            )
        for said, shown in self._failures.items():
            more = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
            self.notes.append(f"it fails with {shown[0]}{more}: {said}")

    def _open_scopes(self) -> None:
        """Make every conditional scope active once, as a tuner of Keras Tuner's does.

        Source: ``BaseTuner._activate_all_conditions`` of Keras Tuner 1.4.8.
        """
        while self._waiting:
            conditions = self._waiting.pop(0)
            if self.n_builds >= self._max_builds:
                what = f"has more than {self._max_builds} conditional scopes to try"
                raise SpecError([Problem("model", what)])
            values = {each.name: each.values[0] for each in conditions}
            self._visit(values)
            self._seen.append(conditions)

    def _look_behind_ifs(self) -> None:
        """Try the other values of each hyperparameter, one at a time."""
        place = 0
        while place < len(self.known.space):
            given = self.known.space[place]
            place += 1
            for value in self._others(given):
                if self.n_builds >= self._max_builds:
                    self.notes.append(
                        f"build was called {self.n_builds} times, the most there may "
                        "be, to find what it asks for behind a plain `if`; something "
                        "may be left: give it a hp.conditional_scope()"
                    )
                    return
                values = {each.name: each.values[0] for each in given.conditions}
                self._visit({**values, given.name: value}, given.name)
                self._open_scopes()

    def _others(self, given: Any) -> list[ParamValue]:
        usual = self.known.values.get(given.name, given.default)
        return [value for value in ends(as_hyperparameter(given)) if value != usual]

    def _visit(self, values: dict[str, Any], tried: str | None = None) -> None:
        """Call ``build`` with some values, and the defaults of all others."""
        container = self.known.copy()
        container.values = dict(values)
        for each in container.space:
            if each.name not in container.values and container.is_active(each):
                container.values[each.name] = each.default
        self.n_builds += 1
        before = {each.name for each in self.known.space}
        try:
            self._build(container)
        except Exception as error:
            shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
            self._failures.setdefault(self._word(error), []).append(shown)
        # Of a scope that opens only now, the scope and not an `if` is the reason.
        new = [
            each.name
            for each in container.space
            if each.name not in before
            and (not each.conditions or each.conditions in self._seen)
        ]
        self._take(container)
        if tried is not None and new:
            names = self._hidden.setdefault(tried, [])
            names += [name for name in new if name not in names]

    def _take(self, container: Any) -> None:
        self.known.merge(container.space, overwrite=False)
        if len({each.name for each in self.known.space}) > MAX_NAMES:
            what = f"asks for more than {MAX_NAMES} hyperparameters"
            raise SpecError([Problem("model", what)])
        for conditions in container.active_scopes:
            if conditions not in self._seen:
                self._seen.append(conditions)
            if conditions in self._waiting:
                self._waiting.remove(conditions)
        for conditions in container.inactive_scopes:
            if conditions not in self._seen and conditions not in self._waiting:
                self._waiting.append(conditions)
