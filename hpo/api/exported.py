"""Export a stored study's model from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpo.export import ExportedModel, export_model
from hpo.export.loading import open_model
from hpo.store import Store


def export(
    store: Store,
    name: str,
    folder: str | Path,
    trial: int | None = None,
    allow_modules: Sequence[str] = (),
) -> ExportedModel:
    """Train a trial on all training rows, write the model, and return it loaded.

    Args:
        store: Holds the study.
        name: Of the study.
        folder: New, or empty.
        trial: Number of a complete trial; None for the chosen one.
        allow_modules: Modules whose code the study or the model may be made of.

    Raises:
        HpoError: See `hpo.export.export_model`.
    """
    made = export_model(
        store, name, Path(folder), trial=trial, allowed_modules=allow_modules
    )
    return open_model(made.folder, allow_modules)
