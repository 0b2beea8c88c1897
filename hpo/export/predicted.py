"""Predictions as a table: what its columns are called, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.export.model import ExportedModel

if TYPE_CHECKING:
    import pandas as pd

PREDICTION, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True)
class Predicted:
    """Predictions of some rows, in their order.

    Args:
        columns: Values by the name of the column, each of shape (n_rows,).
        notes: What the user should know of the rows.
    """

    columns: dict[str, Any]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return them as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.columns)


def predicted(model: ExportedModel, rows: Any) -> Predicted:
    """Predict rows: labels with the probability of each class, or values.

    Args:
        model: The model.
        rows: See `hpo.export.ExportedModel`.

    Raises:
        ExportError: See `hpo.export.ExportedModel.predict`.
        DataError: See there.
    """
    read = model.read(rows)
    X = model.features(read)
    answers = model.labels_or_values(X, read)
    names = column_names(model)
    if model.classes is None:
        values = answers.reshape(len(X), -1).T
        return Predicted(dict(zip(names, values, strict=True)), read.notes)
    columns: dict[str, Any] = {names[0]: answers}
    if model.has_probabilities:
        shares = model.probabilities(X, read).T
        columns |= dict(zip(names[1:], shares, strict=True))
    return Predicted(columns, read.notes)


def column_names(model: ExportedModel) -> list[str]:
    """Return the names of the columns, all of them different.

    ``prediction``, then ``probability_<class>`` where there are probabilities; of
    several targets ``prediction_<target>``.
    """
    if model.classes is not None:
        labels = list(model.classes) if model.has_probabilities else []
        shares = _unique(f"{PROBABILITY}_{_plain(label)}" for label in labels)
        return [PREDICTION, *shares]
    if len(model.targets) == 1:
        return [PREDICTION]
    return _unique(f"{PREDICTION}_{_plain(target)}" for target in model.targets)


def _plain(name: object) -> str:
    """Return a name without what breaks a line or moves a cursor."""
    text = "".join(c if c.isprintable() else "_" for c in str(name))
    return text.strip() or "_"


def _unique(names: Any) -> list[str]:
    """Number what occurs more than once: ``a``, ``a_2``, ``a_3``."""
    taken: set[str] = set()
    made: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        made.append(unique)
    return made
