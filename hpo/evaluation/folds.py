"""The folds of a study, preprocessed: fitted on the training rows of each fold alone.

It owns what is fitted where and what is kept for the next trial. It trains no model.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from hpo.evaluation.plan import Plan
from hpo.evaluation.sharing import SHARED_FROM_BYTES, FoldFiles
from hpo.models.preparation import Preparation
from hpo.seeds import PREPARE, derived_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hpo.records import Dataset

CACHED_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Fold:
    """One fold, its features ready for a family; the arrays are read-only."""

    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_val: NDArray[Any]
    y_val: NDArray[Any]

    @property
    def n_bytes(self) -> int:
        return int(self.X_train.nbytes + self.X_val.nbytes)


class PreparedFolds:
    """Preprocessed folds, kept because every trial trains on the same ones.

    Args:
        plan: The study.
        takes_arrays: Whether the family takes rows that have several axes; for others
            they are flattened.
        files: Where large folds are shared between workers; None keeps them here.
    """

    def __init__(
        self, plan: Plan, *, takes_arrays: bool = False, files: FoldFiles | None = None
    ) -> None:
        self._plan, self._files = plan, files
        self._columns = Columns(plan.data, takes_arrays=takes_arrays)
        self._kept: OrderedDict[tuple[int, Preparation], Fold] = OrderedDict()

    def get(self, fold: int, preparation: Preparation) -> Fold:
        """Return a fold, prepared now or before."""
        key = (fold, preparation)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        prepared = self._kept[key] = self._found_or_made(fold, preparation)
        while (
            len(self._kept) > 1
            and sum(f.n_bytes for f in self._kept.values()) > CACHED_BYTES
        ):
            self._kept.popitem(last=False)
        return prepared

    def _found_or_made(self, fold: int, preparation: Preparation) -> Fold:
        train, val = self._plan.folds[fold]
        arrays = self._shared(fold, preparation) or self._prepare(fold, preparation)
        y = self._plan.data.y
        prepared = Fold(arrays[0], y[train], arrays[1], y[val])
        # Every trial trains on these: a model that overwrites its input must copy it.
        for array in (
            prepared.X_train,
            prepared.y_train,
            prepared.X_val,
            prepared.y_val,
        ):
            array.setflags(write=False)
        return prepared

    def _shared(
        self, fold: int, preparation: Preparation
    ) -> tuple[NDArray[Any], ...] | None:
        """Return the fold from files, where one worker makes it for all of them."""
        train, val = self._plan.folds[fold]
        n_bytes = (len(train) + len(val)) * self._columns.row_bytes
        if self._files is None or n_bytes < SHARED_FROM_BYTES:
            return None
        key = (fold, preparation)
        if (found := self._files.get(key)) is None:
            with self._files.one_at_a_time():
                if (found := self._files.get(key)) is None:
                    self._files.put(key, self._prepare(fold, preparation))
                    found = self._files.get(key)
        return found

    def _prepare(
        self, fold: int, preparation: Preparation
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        train, val = self._plan.folds[fold]
        seed = derived_seed(self._plan.seed, PREPARE, fold)
        preprocessor = self._columns.preprocessor(
            preparation, task=self._plan.data.task, seed=seed
        )
        X_train = preprocessor.fit_transform(
            self._columns.rows(train), self._plan.data.y[train]
        )
        return X_train, preprocessor.transform(self._columns.rows(val))


class Columns:
    """The features of a data set, as preprocessors take them.

    Args:
        data: All rows.
        takes_arrays: Whether the family takes rows that have several axes.
    """

    def __init__(self, data: Dataset, *, takes_arrays: bool) -> None:
        self._is_array = takes_arrays and not data.is_table
        self._is_table = data.is_table
        self._text: list[int] = []
        X: Any = data.X
        if not data.is_table:
            self._X = X if takes_arrays else X.reshape(len(X), -1)
            self._numeric = list(range(prod(data.feature_shape)))
            self._has_missing = False
        else:
            positions = {name: index for index, name in enumerate(X.columns)}
            self._numeric = [positions[name] for name in data.numeric]
            self._text = [positions[name] for name in data.categorical]
            self._X = X if data.categorical else X.to_numpy(dtype="float64")
            self._has_missing = bool(X[list(data.numeric)].isna().to_numpy().any())
        self.row_bytes = 8 * (len(self._numeric) + len(self._text))

    def preprocessor(
        self, preparation: Preparation, *, task: Any, seed: int, imputes: bool = False
    ) -> Any:
        """Return an unfitted transformer of these columns.

        Args:
            preparation: What is done.
            task: What features are selected for.
            seed: See `hpo.models.preprocessing.make_preprocessor`.
            imputes: Whether rows to come may lack numbers though none of these does.
        """
        from hpo.models.preprocessing import make_array_preprocessor, make_preprocessor

        if self._is_array:
            return make_array_preprocessor(preparation)
        return make_preprocessor(
            self._numeric,
            self._text,
            preparation,
            task=task,
            seed=seed,
            has_missing=self._has_missing or (imputes and self._is_table),
        )

    def rows(self, rows: NDArray[Any]) -> Any:
        """Return some rows: a copy, as an array or, where there is text, a table."""
        if not self._text:
            return self._X[rows]
        taken = self._X.iloc[rows]
        coded = [p for p in self._text if taken.dtypes.iloc[p] == "category"]
        return taken.assign(
            **{taken.columns[p]: _texts(taken.iloc[:, p]) for p in coded}
        )


def _texts(column: Any) -> NDArray[Any]:
    """Return the texts of a column of category codes, None where one is missing."""
    import numpy as np

    known = np.array([*column.cat.categories, None], object)
    texts: NDArray[Any] = known[column.cat.codes.to_numpy()]
    return texts
