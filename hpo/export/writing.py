"""Write an exported folder: all of it, or nothing."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from hpo.analysis.choosing import chosen, chosen_by
from hpo.analysis.stored import stored_result
from hpo.crash_points import crash_point
from hpo.data.new_rows import Inputs, inputs_of
from hpo.errors import ExportError, StudyError
from hpo.export.document import MODEL_JSON, ModelDocument, read_document, written
from hpo.export.loading import digest
from hpo.export.versions import versions_of
from hpo.models.saving import KERAS_FILE
from hpo.records import StudyRecord, Trial
from hpo.store import Store
from hpo.study.prepare import Prepared
from hpo.study.refit import Refitted, refit
from hpo.study.stored import changed_code, stored_study

STUDY_YAML, README = "study.yaml", "README.txt"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Args:
        folder: Where it is.
        trial: Its number.
        refitted: How it was trained; None if it was there already.
        document: Its ``model.json``.
    """

    folder: Path
    trial: int
    refitted: Refitted | None
    document: ModelDocument


def export_model(
    store: Store,
    name: str,
    folder: Path,
    *,
    trial: int | None = None,
    allowed_modules: Sequence[str] = (),
) -> Exported:
    """Train a trial of a study on all training rows, and write the model to a folder.

    Args:
        store: Holds the study.
        name: Of the study.
        folder: New, or empty.
        trial: Number of a complete trial; None for the chosen one.
        allowed_modules: Installed packages whose code the study may name.

    Raises:
        ExportError: The folder cannot be written, or the disk is full.
        StudyError: There is no such trial, or the model is an objective.
        DataError: The data are not there any more, or have changed.
        TrialError: Training failed, or the model cannot be saved.
    """
    study, trials = store.study(name), store.trials(name)
    found = find_trial(study, trials, trial)
    refuse_taken(folder)
    prepared = stored_study(store, name, allowed_modules=tuple(allowed_modules))
    with _staged(folder) as staging:
        refitted = refit(prepared, found, staging)
        if what := changed_code(store, prepared):
            refitted = replace(refitted, notes=(what, *refitted.notes))
        info = _info(store, study, trials, found, prepared, refitted)
        document = _document(staging, study, prepared, refitted, info)
        try:
            _write_text(staging / MODEL_JSON, written(document))
            _write_text(staging / STUDY_YAML, study.text or json.dumps(study.document))
            _write_text(staging / README, _readme(document))
        except OSError as error:
            raise _unwritable(folder, error) from error
    return Exported(folder, found.number, refitted, document)


def find_trial(
    study: StudyRecord, trials: Sequence[Trial], number: int | None
) -> Trial:
    """Return the trial to export.

    Raises:
        StudyError: There is no such trial, or it is not complete.
    """
    if number is None:
        found = chosen(trials, chosen_by(study))
        if found is None:
            raise StudyError(f"study {study.name!r} has no successful trial to export")
        return found
    for trial in trials:
        if trial.number == number:
            if trial.score is None:
                raise StudyError(
                    f"study {study.name!r}: trial {number} is {trial.state}; expected "
                    f"a complete one; hpo trials {study.name} lists them"
                )
            return trial
    raise StudyError(
        f"study {study.name!r} has no trial {number}; it has {len(trials)}: hpo trials "
        f"{study.name} lists them"
    )


def refuse_taken(folder: Path) -> None:
    """Raise `ExportError` unless a folder can be made, or is there and empty."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder}: expected a new folder; this is a file")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise ExportError(
                f"{folder}: the folder is not empty; name a new one, or remove it"
            )
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def already_there(
    store: Store, name: str, folder: Path, trial: int | None
) -> Exported | None:
    """Return the export that a folder holds, if it is that of this very trial."""
    study = store.study(name)
    number = find_trial(study, store.trials(name), trial).number
    if not (folder / MODEL_JSON).is_file():
        return None
    try:
        document = read_document(folder)
    except ExportError:
        return None
    there = [document.info.get(key) for key in ("study", "study_created_at", "trial")]
    if there != [name, study.created_at.isoformat(), number]:
        return None
    return Exported(folder, number, None, document)


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that takes its place at the end of the block."""
    whole = folder.absolute()
    name = f".{whole.name}.{os.getpid()}-{secrets.token_hex(4)}.part"
    staging = whole.with_name(name)
    try:
        _remove_left(whole)
        staging.mkdir()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield staging
        try:
            for file in staging.iterdir():
                _flush(file)
            with crash_point("export.rename"):
                # Takes the place of an empty folder, and of no other.
                staging.rename(whole)
        except OSError as error:
            raise _unwritable(folder, error) from error
        _flush(whole.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _remove_left(whole: Path) -> None:
    """Remove what exports to the same folder left whose process was killed."""
    import psutil

    pattern = re.compile(rf"\.{re.escape(whole.name)}\.(\d+)-[0-9a-f]{{8}}\.part")
    for beside in whole.parent.iterdir():
        found = pattern.fullmatch(beside.name)
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(beside, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> ExportError:
    reason = error.strerror or error
    return ExportError(f"{folder}: cannot be written ({reason}); name another folder")


def _flush(path: Path) -> None:
    """Have the disk write a file or a folder, so that a power cut leaves it whole."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_text(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="backslashreplace")


def _document(
    folder: Path,
    study: StudyRecord,
    prepared: Prepared,
    refitted: Refitted,
    info: dict[str, Any],
) -> ModelDocument:
    data = prepared.plan.data
    files = [refitted.model_file]
    if refitted.preprocessing_file is not None:
        files.append(refitted.preprocessing_file)
    return ModelDocument(
        task=data.task,
        classes=() if data.classes is None else tuple(data.classes.tolist()),
        targets=data.targets,
        inputs=_inputs(prepared),
        flattened=not data.is_table and not prepared.family.takes_arrays,
        model_file=refitted.model_file,
        preprocessing_file=refitted.preprocessing_file,
        target_shift=refitted.target_shift,
        target_spread=refitted.target_spread,
        digests={name: digest(folder / name) for name in files},
        info=info,
    )


def _inputs(prepared: Prepared) -> Inputs:
    wish, data = prepared.spec.data, prepared.plan.data
    array = None
    if not data.is_table and wish.features is not None and len(wish.features) == 1:
        (array,) = wish.features
    named = (*(wish.targets or ("y",)), wish.group, wish.order, *wish.drop)
    features = wish.features or ()
    others = dict.fromkeys(n for n in named if n is not None and n not in features)
    return inputs_of(data, array=array, others=tuple(others))


def _info(
    store: Store,
    study: StudyRecord,
    trials: Sequence[Trial],
    trial: Trial,
    prepared: Prepared,
    refitted: Refitted,
) -> dict[str, Any]:
    """Return where the model comes from, as JSON has it."""
    is_keras = refitted.model_file == KERAS_FILE
    return {
        "study": study.name,
        "study_created_at": study.created_at.isoformat(),
        "trial": trial.number,
        "params": dict(refitted.params),
        "metric": study.metric,
        **_scores(store, study, trials, trial),
        "train_score": refitted.train_score,
        "family": study.family,
        "engine": refitted.engine,
        "backend": study.backend,
        "n_rows": refitted.n_rows,
        "n_epochs": refitted.n_epochs,
        "n_parameters": refitted.n_parameters,
        "fit_seconds": refitted.fit_seconds,
        "fingerprint": prepared.fingerprint,
        "spec": dict(study.document),
        "versions": versions_of(keras=is_keras, backend=study.backend),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": list(refitted.notes),
    }


def _scores(
    store: Store, study: StudyRecord, trials: Sequence[Trial], trial: Trial
) -> dict[str, Any]:
    """Return what the trial scored; the test score only if it was looked at."""
    result = stored_result(store, study.name, trials, n_rivals=0)
    # It is the choice that is corrected for: of another trial nothing is known.
    is_chosen = result is not None and result.chosen.number == trial.number
    corrected = result.corrected if result is not None and is_chosen else None
    look = result.first_look(trial.number) if result is not None else None
    return {
        "mean_test_score": trial.score,
        "std_test_score": trial.std,
        "n_folds": study.n_folds,
        "corrected_score": corrected.score if corrected else None,
        "corrected_interval": [corrected.low, corrected.high] if corrected else None,
        "test_score": look.score if look else None,
        "test_looked_at": look.looked_at.isoformat()
        if look and look.looked_at
        else None,
    }


def _readme(document: ModelDocument) -> str:
    info = document.info
    rows = "rows.csv" if document.inputs.shape is None else "rows.npz"
    line = f"Trial {info['trial']} of study {json.dumps(info['study'])}, by hpo"
    return (
        f"{line} {metadata.version('hpo')}; model.json says what it is.\n"
        f"Predictions: hpo predict FOLDER {rows} -o predictions.csv\n"
        f'In Python: import hpo; hpo.load_model("FOLDER").predict("{rows}")\n'
    )
