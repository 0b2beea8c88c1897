"""Networks of `keras-mlp` trained one by one by Keras' own `fit`.

It is what is left when a compiled program does not do what Keras does. Slow and sure:
the same rows in the same order, the same rule to stop and the same curves as in stacks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpo.models.builder_keras import free_optimizer, make_room
from hpo.models.builder_progress import METRIC
from hpo.models.stack_check import compiled, targets
from hpo.models.stack_member import Member
from hpo.models.stopping import require_finite


def train_alone(members: Sequence[Member]) -> None:
    """Train each network to its end; results are found in the members."""
    for member in members:
        try:
            _train(member)
        except Exception as error:  # a failure is the member's own
            member.error = error


def _train(member: Member) -> None:
    import keras

    make_room()
    keras.utils.set_random_seed(member.seed % 2**32)  # dropout
    metrics = [METRIC[member.request.task]]
    model = compiled(member, eagerly=False, metrics=metrics)
    free_optimizer(model)
    request, y = member.request, targets(member.request)
    X, given = request.X.astype("float32"), request.sample_weight
    for _ in range(member.settings.epochs):
        rows = np.concatenate(
            [
                batch[: int(count)]
                for batch, count in zip(
                    member.next_batches(0), member.counts(), strict=True
                )
            ]
        )
        history = model.fit(
            X[rows],
            y[rows],
            sample_weight=None if given is None else given[rows].astype("float32"),
            batch_size=member.batch_size,
            shuffle=False,
            verbose=0,
        ).history
        metric = METRIC[request.task]
        member.note("", history["loss"][-1], history[metric][-1])
        if member.stopping is not None:
            seen = model.evaluate(
                X[member.watched], y[member.watched], verbose=0, return_dict=True
            )
            penalty = sum(float(loss) for loss in model.losses)
            loss = seen["loss"] - penalty
            member.note("val_", loss, seen[metric])
            if member.stopping.improves(member.n_epochs, loss):
                member.weights = model.get_weights()
            if member.stopping.stops_after(member.n_epochs):
                break
    if member.stopping is None:
        member.weights = model.get_weights()
    if not all(np.isfinite(weight).all() for weight in member.weights):
        require_finite(float("nan"), member.n_epochs, "weight")
