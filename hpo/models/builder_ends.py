"""Which rows go to which input of a model, and what its outputs stand for.

A model with several inputs or outputs is given the same rows as any other: here they
are divided between its inputs, and its outputs put together again. It trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_info import DataInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ends:
    """How the rows and targets of a study meet a model.

    Args:
        inputs: For each input the columns it takes, as (first, last + 1); None for an
            input that takes whole rows.
        outputs: For each output the targets that it gives, likewise; None for one that
            gives all of them. Of several of those the first one is the answer, and the
            others learn the same targets.
    """

    inputs: tuple[tuple[int, int] | None, ...] = (None,)
    outputs: tuple[tuple[int, int] | None, ...] = (None,)

    @property
    def is_plain(self) -> bool:
        """Whether there is one input and one output."""
        return len(self.inputs) == len(self.outputs) == 1

    def feed(self, X: NDArray[Any]) -> Any:
        """Return rows as the model takes them: an array, or a list of them."""
        return _each(X, self.inputs)

    def targets(self, y: NDArray[Any]) -> Any:
        """Return targets for each output: an array, or a list of them."""
        return _each(y, self.outputs)

    def repeated(self, value: Any) -> Any:
        """Return a value for each output, or itself where there is one."""
        return value if len(self.outputs) == 1 else [value] * len(self.outputs)

    def answer(self, outputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return what the outputs say together, shape (n, n_units)."""
        import numpy as np

        if self.outputs[0] is None:
            return outputs[0]
        whole: NDArray[Any] = np.concatenate(outputs, axis=1)
        return whole


PLAIN = Ends()


def _each(values: NDArray[Any], parts: Sequence[tuple[int, int] | None]) -> Any:
    if len(parts) == 1:
        return values
    return [values if part is None else values[:, slice(*part)] for part in parts]


def input_parts(
    name: str, model: Any, info: DataInfo
) -> tuple[tuple[int, int] | None, ...]:
    """Divide rows between the inputs of a model.

    Inputs of the shape of whole rows get whole rows. Else the columns of a table go to
    the inputs in blocks, in order, and their widths add up to the number of columns.

    Raises:
        TrialError: The shapes of the inputs are neither.
    """
    shapes = [tuple(end.shape[1:]) for end in ends_of(model, "inputs")]
    if len(shapes) < 2:
        return (None,)
    if all(_fits(shape, info.feature_shape) for shape in shapes):
        return (None,) * len(shapes)
    widths = [shape[0] for shape in shapes if len(shape) == 1 and shape[0]]
    if len(widths) == len(shapes) and sum(widths) == info.n_features:
        return _blocks(widths)
    raise TrialError(
        "error",
        f"{name}: expected inputs of shape {info.feature_shape} each, or widths that "
        f"add up to the {info.n_features} columns of a table; got "
        f"{', '.join(map(str, shapes))}",
    )


def output_parts(
    name: str, widths: Sequence[int], info: DataInfo
) -> tuple[tuple[int, int] | None, ...]:
    """Say which targets each of several outputs gives.

    Outputs that are each as wide as all targets need all learn the same. Else the
    targets of a regression go to the outputs in blocks, in order.

    Raises:
        TrialError: The widths of the outputs are neither.
    """
    if info.task == "classification":
        right = {1, 2} if info.n_classes == 2 else {info.n_classes}
        if set(widths) <= right:
            return (None,) * len(widths)
        expected = f"the width for {info.n_classes} classes each"
    else:
        if set(widths) == {info.n_targets}:
            return (None,) * len(widths)
        if sum(widths) == info.n_targets:
            return _blocks(widths)
        n = info.n_targets
        expected = f"width {n} each, or widths that add up to the {n} targets"
    got = ", ".join(map(str, widths))
    raise TrialError("error", f"{name}: expected outputs of {expected}; got {got}")


def ends_of(model: Any, what: str) -> list[Any]:
    """Return the ``inputs`` or ``outputs`` of a model; none if it does not say."""
    try:
        return list(getattr(model, what, None) or ())
    except (AttributeError, ValueError):
        return []  # a Sequential model has none before it is built


def as_list(outputs: Any) -> list[Any]:
    """Return what a model returned for rows as a list, in the order of its outputs."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _fits(shape: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size in (None, want) for size, want in zip(shape, wanted, strict=True)
    )


def _blocks(widths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    ends = list(accumulate(widths))
    return tuple(zip([0, *ends[:-1]], ends, strict=True))
