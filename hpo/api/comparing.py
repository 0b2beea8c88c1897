"""`hpo.compare` and `hpo.compare_strategies`: searches side by side, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.api.study import open_store, store_url
from hpo.errors import StudyError
from hpo.report import comparing
from hpo.report.comparable import stored
from hpo.report.comparing_words import words
from hpo.spec import read_study
from hpo.study import StudyRun, prepare
from hpo.study.strategies import is_done, plan_searches, refuse_changed

if TYPE_CHECKING:
    import pandas as pd


class Comparison:
    """Studies or strategies side by side.

    Made by `hpo.compare` and `hpo.compare_strategies`.

    Attributes:
        words: What it comes to, a sentence each.
        to_reach: The score whose cost is told; None if no trial has a score.
    """

    def __init__(self, made: comparing.Comparison) -> None:
        self._made = made
        self.words, self.to_reach = words(made), made.to_reach

    def __repr__(self) -> str:
        labels = ", ".join(group.label for group in self._made.groups)
        return f"<Comparison of {labels} by {self._made.metric}>"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each study or strategy, as `hpo compare --format csv`."""
        import pandas as pd

        return pd.DataFrame(self._made.rows)

    @property
    def curves(self) -> pd.DataFrame:
        """A row for each trial of each study.

        Columns ``study``, ``strategy``, ``seed``, ``n_trials`` (from 1), ``seconds`` of
        running time when it ended, ``score`` and ``best_so_far``.
        """
        import pandas as pd

        rows = [
            {
                "study": one.name,
                "strategy": one.strategy,
                "seed": one.seed,
                "n_trials": place,
                "seconds": one.ended[place - 1] if one.ended else None,
                "score": score,
                "best_so_far": best,
            }
            for group in self._made.groups
            for one in group.courses
            for place, (score, best) in enumerate(
                zip(one.scores, one.best_so_far(), strict=True), 1
            )
        ]
        return pd.DataFrame(rows)

    def to_html(self, path: str | Path) -> Path:
        """Write one self-contained page with curves and tables; return its path.

        Raises:
            StudyError: The file holds something that is no page, or cannot be written.
        """
        from hpo.report.comparing_page import comparison_file

        return comparison_file(self._made, path)


def compare(
    *names: str, store: str | Path | None = None, to_reach: float | None = None
) -> Comparison:
    """Set stored studies side by side.

    Args:
        names: Of at least two studies of the same data, metric and folds.
        store: Address of their store; default ``HPO_STORE`` or ``sqlite:///hpo.db``.
        to_reach: The score whose cost is told; default where the weakest study ended.

    Raises:
        StudyNotFoundError: No study has one of the names.
        StudyError: Their scores do not measure the same.
        StoreError: The store cannot be opened.

    Example:
        >>> compared = hpo.compare("digits", "digits-random")  # doctest: +SKIP
        >>> compared.to_html("compared.html")  # doctest: +SKIP
    """
    opened = open_store(store, must_exist=True)
    return Comparison(comparing.compare(stored(opened, names), to_reach=to_reach))


def compare_strategies(
    file: str | Path,
    strategies: Sequence[str] = ("grid", "random", "bayesian"),
    *,
    seeds: int = 3,
    trials: int | None = None,
    jobs: int | None = None,
    store: str | Path | None = None,
    to_reach: float | None = None,
    allow_modules: Sequence[str] = (),
) -> Comparison:
    """Run a study file by several strategies and seeds, and set them side by side.

    Each search is a study of its own, which nothing is sent to MLflow of. What has been
    run before goes on where it was, or is used as it is.

    Args:
        file: Path of a study file.
        strategies: At least two of ``grid``, ``random`` and ``bayesian``.
        seeds: Searches by each.
        trials: Of each search at most; default those of the file.
        jobs: Worker processes; default one a core.
        store: Address of the store; default ``HPO_STORE`` or ``sqlite:///hpo.db``.
        to_reach: The score whose cost is told; default one that most reach.
        allow_modules: Installed packages whose code the file may name.

    Raises:
        HpoError: Anything that keeps a search from running; see `hpo.run`.
    """
    if isinstance(strategies, str) or seeds < 1:
        what = "expected a list of strategies, and at least one seed"
        raise StudyError(f"compare_strategies: {what}; got {strategies!r}, {seeds}")
    overrides = {"search.trials": trials, "engine.jobs": jobs}
    spec = read_study(Path(file), overrides=overrides, allowed_modules=allow_modules)
    planned = plan_searches(spec, strategies, seeds)
    opened = open_store(store_url(store))
    known = {summary.name for summary in opened.summaries()}
    for search in planned.searches:
        if search.name in known:
            refuse_changed(opened.study(search.name), search)
    for search in planned.searches:
        prepared = prepare(search)
        begun = opened.study(search.name) if search.name in known else None
        if not (begun and is_done(begun, search, prepared.fingerprint)):
            StudyRun(prepared, opened).execute()
    made = comparing.compare(
        stored(opened, [search.name for search in planned.searches]),
        to_reach=to_reach,
        by_strategy=True,
        n_trials=planned.n_trials,
        how=planned.notes,
    )
    return Comparison(made)
