"""How much longer a study takes, from the pace of its folds."""

from __future__ import annotations

import pytest

from hpo.study.progress import Pace


def test_starting_workers_is_no_part_of_the_pace():
    pace = Pace()
    pace.note(0, 0.1)
    pace.note(2, 30.0)
    assert pace.fold_seconds is None
    pace.note(2, 31.0)
    assert pace.fold_seconds is None
    pace.note(6, 32.0)
    assert pace.fold_seconds == 0.5
    pace.note(22, 40.0)
    assert pace.fold_seconds == 0.5


def test_what_was_done_before_is_no_part_of_the_pace():
    pace = Pace(10)
    pace.note(10, 0.1)
    pace.note(12, 30.0)
    assert pace.fold_seconds is None
    pace.note(16, 32.0)
    assert pace.fold_seconds == 0.5


def test_groups_that_come_in_together_are_no_fast_ones():
    # Two workers, and groups of 15 folds that take 9 s.
    pace = Pace()
    pace.note(15, 20.0, n_flying=15)
    pace.note(30, 20.1)
    assert pace.fold_seconds is None
    pace.note(45, 29.0, n_flying=15)
    pace.note(60, 29.1)
    assert pace.fold_seconds == pytest.approx(9 / 30)
