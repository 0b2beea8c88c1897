"""Rows of a study and looks at its test part: records to database rows and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hpo.records import StudyRows, TestLook
from hpo.store import schema as t
from hpo.store.rows import pack, unpack


def insert_rows(connection: sa.Connection, study_id: int, rows: StudyRows) -> None:
    """Write what the rows of a study are, unless that is known already."""
    import numpy as np

    known = sa.select(t.study_rows.c.study_id).where(
        t.study_rows.c.study_id == study_id
    )
    if connection.execute(known).scalar() is not None:
        return
    groups = rows.groups
    connection.execute(
        sa.insert(t.study_rows).values(
            study_id=study_id,
            targets=list(rows.targets),
            classes=None if rows.classes is None else list(rows.classes),
            n_test=rows.n_test,
            code=rows.code,
            y_npy=pack(rows.y),
            groups_npy=None if groups is None else pack(groups.astype(np.int32)),
        )
    )
    connection.execute(
        sa.insert(t.study_folds),
        [
            {
                "study_id": study_id,
                "fold": fold,
                "train_npy": pack(train.astype(np.int32)),
                "validation_npy": pack(validation.astype(np.int32)),
            }
            for fold, (train, validation) in enumerate(rows.folds)
        ],
    )


def load_rows(connection: sa.Connection, study_id: int) -> StudyRows | None:
    """Read what the rows of a study are; None if that was not kept."""
    row = connection.execute(
        sa.select(t.study_rows).where(t.study_rows.c.study_id == study_id)
    ).one_or_none()
    if row is None:
        return None
    folds = connection.execute(
        sa.select(t.study_folds)
        .where(t.study_folds.c.study_id == study_id)
        .order_by(t.study_folds.c.fold)
    )
    return StudyRows(
        y=unpack(row.y_npy),
        classes=None if row.classes is None else tuple(row.classes),
        targets=tuple(row.targets),
        folds=tuple((unpack(f.train_npy), unpack(f.validation_npy)) for f in folds),
        n_test=row.n_test,
        code=row.code,
        groups=None if row.groups_npy is None else unpack(row.groups_npy),
    )


def look_row(study_id: int, look: TestLook, now: datetime) -> dict[str, Any]:
    """Return the row of a look at the test part."""
    return {
        "study_id": study_id,
        "kind": look.kind,
        "number": look.number,
        "score": look.score,
        "metrics": dict(look.metrics),
        "n_trials": look.n_trials,
        "y_npy": pack(look.y),
        "predictions_npy": pack(look.predictions),
        "looked_at": now,
    }


def load_looks(connection: sa.Connection, study_id: int) -> list[TestLook]:
    """Read the looks at a study's test part, oldest first."""
    rows = connection.execute(
        sa.select(t.test_looks)
        .where(t.test_looks.c.study_id == study_id)
        .order_by(t.test_looks.c.id)
    )
    return [
        TestLook(
            kind=row.kind,
            number=row.number,
            score=row.score,
            metrics=row.metrics,
            n_trials=row.n_trials,
            y=unpack(row.y_npy),
            predictions=unpack(row.predictions_npy),
            looked_at=row.looked_at,
        )
        for row in rows
    ]
