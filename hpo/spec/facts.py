"""The facts about a table from which a starter study is made.

They come from whoever looked at the table; what follows from them for test part and
folds is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.records import Task

UNBALANCED = 3.0
TEST_SIZE = 0.2
FOLDS = 5


@dataclass(frozen=True)
class Facts:
    """What a starter study is made from.

    Args:
        name: Of the study.
        file: Of the study, as the user would type it.
        source: Of the data, relative to the study file.
        n_rows: Rows that have a target.
        n_features: Columns to learn from.
        target: Column to predict.
        why_target: Why it was taken; empty if the user named it.
        others: More columns that could be the target.
        drop: Columns that are no features, each with the reason.
        dates: Columns of dates.
        groups: Columns that seem to say which rows belong together.
        task: What the target is.
        counts: Rows of each class by its label, most frequent first.
        positive: Whether no target is below 0.
    """

    name: str
    file: str
    source: str
    n_rows: int
    n_features: int
    target: str
    why_target: str
    others: tuple[str, ...]
    drop: tuple[tuple[str, str], ...]
    dates: tuple[str, ...]
    groups: tuple[str, ...]
    task: Task
    counts: tuple[tuple[str, int], ...] = ()
    positive: bool = False

    @property
    def rarest(self) -> int:
        """Rows of the rarest class; all rows for a regression."""
        return self.counts[-1][1] if self.counts else self.n_rows

    @property
    def test_size(self) -> float:
        """A share that leaves at least two rows of each class to the folds."""
        return TEST_SIZE if self.rarest >= 4 else 0.0

    @property
    def folds(self) -> int:
        """As many folds as every class has rows for, `FOLDS` at most."""
        return max(2, min(FOLDS, int(self.rarest * (1 - self.test_size))))

    @property
    def n_fitted(self) -> int:
        """Rows that one network is trained on, about."""
        kept = (1 - self.test_size) * (1 - 1 / self.folds)
        return max(1, int(self.n_rows * kept))

    @property
    def unbalanced(self) -> bool:
        """Whether the most frequent class has far more rows than the rarest."""
        return bool(self.counts) and self.counts[0][1] >= UNBALANCED * self.rarest
