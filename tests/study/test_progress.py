"""How much longer a study takes, from the pace of its folds."""

from __future__ import annotations

from hpo.study.progress import Pace


def test_starting_workers_is_no_part_of_the_pace():
    pace = Pace()
    pace.note(2, 30.0)
    assert pace.fold_seconds is None
    pace.note(2, 31.0)
    assert pace.fold_seconds is None
    pace.note(6, 32.0)
    assert pace.fold_seconds == 0.5
    pace.note(22, 40.0)
    assert pace.fold_seconds == 0.5
