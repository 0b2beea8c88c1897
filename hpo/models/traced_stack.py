"""Training of several Keras networks of one architecture, all of them at once.

Each takes the steps that it would take alone (`hpo.models.traced_fit`), in a program
that takes those of all. They are the folds of one trial, so they end together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from hpo.errors import TrialError
from hpo.models.traced_fit import Run
from hpo.models.traced_group import member, segments, stacked_rows, stacked_states
from hpo.models.traced_program import Program


def train_together(program: Program, runs: Sequence[Run]) -> list[TrialError | None]:
    """Train networks; their models have the weights in the end.

    Args:
        program: Of all of them.
        runs: With equal numbers of epochs, and nothing to watch.

    Returns:
        Why a network failed, its loss or a weight being NaN or infinite, or None: a
        failed one leaves its neighbours as they are.

    Raises:
        NotTraceableError: The first steps are not those of ``fit``.
    """
    import keras

    # One with fewer rows than a batch takes all of them as what is left over.
    size = max(run.batch_size for run in runs)
    models, data = [run.model for run in runs], [run.data for run in runs]
    starts = [program.start(model) for model in models]
    each_epoch = zip(*(run.orders for run in runs), strict=True)
    first = next(each_epoch)
    stack, device = program.stack(len(runs)), program.backend.on_device
    rows = device(stacked_rows(data))
    program.check_stack(models, data, rows, first, size)
    state = device(stacked_states(starts))
    failed: dict[int, TrialError] = {}
    for epoch, orders in enumerate(chain([first], each_epoch), start=1):
        state, logs = stack.train(state, rows, segments(orders, size), size)
        seen = {name: keras.ops.convert_to_numpy(v) for name, v in logs.items()}
        for at, run in enumerate(runs):
            if at not in failed:
                try:
                    run.progress.see(epoch, {name: v[at] for name, v in seen.items()})
                except TrialError as error:
                    failed[at] = error
        if len(failed) == len(runs):
            break
    for at, run in enumerate(runs):
        if at not in failed:
            try:
                run.end(member(state, at))
            except TrialError as error:
                failed[at] = error
    return [failed.get(at) for at in range(len(runs))]
