"""Lay large arrays in files that every worker maps, so that they are in memory once.

The system shares the pages of a mapped file between processes. This module owns files
and formats; what is worth sharing is for whoever calls it to say.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.evaluation.plan import Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED_FROM_BYTES = 8 * 2**20
"""Smaller arrays are cheaper to send than to share."""

FILES_BYTES = 4 * 2**30
"""Prepared folds that are kept in files; the least recently used ones make room."""

_ALIGNED = 64


@dataclass(frozen=True)
class SharedPlan:
    """A plan whose large arrays lie in a file; small enough to be sent to each worker.

    Args:
        head: The plan, pickled without those arrays.
        file: Where they are.
        spans: First byte and length of each.
        folder: Where workers may share what they make of them.
    """

    head: bytes
    file: Path
    spans: tuple[tuple[int, int], ...]
    folder: Path

    def open(self) -> Plan:
        """Return the plan; its large arrays are read-only views of the mapped file."""
        with self.file.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        arrays = [mapped[start : start + length] for start, length in self.spans]
        plan: Plan = pickle.loads(self.head, buffers=arrays)
        return plan


def is_large(plan: Plan) -> bool:
    """Tell whether a plan's data are worth sharing."""
    X: Any = plan.data.X
    n_bytes = int(X.memory_usage(deep=False).sum()) if plan.data.is_table else X.nbytes
    return n_bytes >= SHARED_FROM_BYTES


def share(plan: Plan, folder: Path) -> SharedPlan:
    """Write the arrays of ``plan`` to a file in ``folder``.

    Raises:
        OSError: They cannot be written.
    """
    spans: list[tuple[int, int]] = []
    path = folder / "plan"
    with path.open("wb") as file:

        def write(buffer: pickle.PickleBuffer) -> bool:
            content = buffer.raw()
            if content.nbytes < _ALIGNED:
                return True
            file.write(b"\0" * (-file.tell() % _ALIGNED))
            spans.append((file.tell(), content.nbytes))
            file.write(content)
            return False

        head = pickle.dumps(_compact(plan), protocol=5, buffer_callback=write)
        file.write(b"\0")  # an empty file cannot be mapped
    return SharedPlan(head, path, tuple(spans), folder)


def _compact(plan: Plan) -> Plan:
    """Give the table the form that is mapped without copies: blocks and codes."""
    import pandas as pd

    data = plan.data
    if not data.is_table:
        return plan
    X: Any = data.X
    if data.categorical:
        X = X.astype(dict.fromkeys(data.categorical, "category"))
    else:
        X = pd.DataFrame(X.to_numpy(), columns=X.columns, copy=False)
    return replace(plan, data=replace(data, X=X))


class FoldFiles:
    """Arrays by key in a folder, which each process that asks maps.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "folds"
        self._folder.mkdir(exist_ok=True)

    def get(self, key: object) -> tuple[NDArray[Any], ...] | None:
        """Return the arrays of ``key``, read-only; None if nobody has put them."""
        import numpy as np

        folder = self._path(key)
        try:
            os.utime(folder)
            files = sorted(folder.iterdir(), key=lambda file: file.name)
            # As plain arrays: a memmap would hand its kind on to all results.
            arrays = tuple(np.asarray(np.load(f, mmap_mode="r")) for f in files)
        except FileNotFoundError:
            return None
        # None while another process removes the folder.
        return arrays or None

    def put(self, key: object, arrays: tuple[NDArray[Any], ...]) -> None:
        """Write arrays for other processes; does nothing where there is no room."""
        import numpy as np

        folder, draft = self._path(key), self._path((key, os.getpid()))
        try:
            self._make_room(sum(array.nbytes for array in arrays))
            draft.mkdir(exist_ok=True)
            for index, array in enumerate(arrays):
                np.save(draft / f"{index}.npy", array)
            draft.rename(folder)
        except OSError:
            # A full disk costs memory, not the study; a rename that fails means that
            # another worker was faster.
            shutil.rmtree(draft, ignore_errors=True)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let one process at a time prepare large arrays, so that memory suffices."""
        with (self._folder.parent / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, key: object) -> Path:
        return self._folder / hashlib.sha256(repr(key).encode()).hexdigest()[:32]

    def _make_room(self, n_bytes: int) -> None:
        kept = sorted(self._folder.iterdir(), key=lambda f: f.stat().st_mtime)
        sizes = [sum(f.stat().st_size for f in folder.iterdir()) for folder in kept]
        allowed = min(FILES_BYTES, shutil.disk_usage(self._folder).free // 2)
        excess = sum(sizes) + n_bytes - allowed
        for folder, size in zip(kept, sizes, strict=True):
            if excess <= 0:
                return
            # Renamed first, so that nobody reads half of it; those who have it mapped
            # keep it until they let it go.
            gone = folder.with_name(f"{folder.name}-{os.getpid()}")
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
            excess -= size
