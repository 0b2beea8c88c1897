"""What a study asks of its data, in one value that every reader of data is given.

It owns no reading and checks nothing: each source looks at the fields that mean
something to it and refuses those that do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpo.records import Task
from hpo.user_code import Home


@dataclass(frozen=True)
class Wish:
    """What a study asks of its data.

    Args:
        source: As the user wrote it; the place that messages name.
        options: Parameters of a generator or a function.
        targets: Columns to predict, in order; empty if none is named.
        features: Columns to use; None for all others.
        drop: Columns not to use.
        group: Column whose rows stay together when rows are split.
        order: Column that the rows are sorted by, numbers or dates.
        task: What the target is; None to infer it.
        home: Where files and functions are looked for.
    """

    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    group: str | None = None
    order: str | None = None
    task: Task | None = None
    home: Home = field(default_factory=Home)
