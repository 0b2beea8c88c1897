"""How the training of one Keras network goes, epoch by epoch, whoever runs it.

It keeps the curves, refuses numbers that are none, and says which epoch is the best
and which one the last. It holds no weights and knows no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpo.models.stopping import EarlyStopping, require_finite
from hpo.records import Task

METRIC: Mapping[Task, str] = {"classification": "accuracy", "regression": "mae"}
"""What is measured in training beside the loss, by Keras' names."""

CURVES = ("loss", *METRIC.values())
CURVES += tuple(f"val_{name}" for name in CURVES)


class Progress:
    """The course of one network.

    Args:
        patience: Epochs without gain before the end, or None.
        own_loop: Whether code of the user's tells of epochs, whose logs may have other
            names, or none; all of them are kept.
    """

    def __init__(self, patience: int | None, *, own_loop: bool = False) -> None:
        self.n_epochs = 0
        self.curves: dict[str, list[float]] = {} if own_loop else {"loss": []}
        self.stopping = None if patience is None else EarlyStopping(patience)
        self._own_loop = own_loop

    def see(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Take in what ``fit`` reports of ``epoch`` (from 1); say if it is the best.

        Raises:
            TrialError: A loss is NaN or infinite.
        """
        own = self._own_loop
        seen = {name: float(v) for name, v in logs.items() if own or name in CURVES}
        self.n_epochs += 1
        if "loss" in seen or not own:
            require_finite(seen["loss"], epoch)
        for name, value in seen.items():
            self.curves.setdefault(name, []).append(value)
        if self.stopping is None or (own and "val_loss" not in seen):
            return False
        watched = seen["val_loss"]
        require_finite(watched, epoch, "loss of the inner split")
        return self.stopping.improves(epoch, watched)

    def stops_after(self, epoch: int) -> bool:
        """Tell whether patience ends with ``epoch``."""
        return self.stopping is not None and self.stopping.stops_after(epoch)

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights count, if any is looked for."""
        return None if self.stopping is None else self.stopping.best_epoch
