"""From a study file to what will run: data read and split, metric and model checked.

Everything that can be refused is refused here, before a row is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpo.data import fingerprint, load, make_folds, split_test
from hpo.errors import Problem, SpecError
from hpo.evaluation import Plan
from hpo.evaluation.objective import NEGATIVE, UNNAMED
from hpo.metrics import DEFAULT_METRIC, why_unfit
from hpo.models import get_family
from hpo.models.family import Family
from hpo.models.preprocessing import NO_SELECTION
from hpo.records import Dataset, Params, StudyRows
from hpo.spec import StudySpec
from hpo.spec.model import NO_DATA
from hpo.study.backend import variables, why_missing
from hpo.study.discovery import with_discovered_space
from hpo.user_code import OBJECTIVE, Home, code_digest, kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prepared:
    """A study that can run.

    Args:
        spec: The study file.
        data: All rows, the test part included.
        n_test: Rows of the test part.
        fingerprint: Of all rows.
        family: Of models.
        plan: What workers need.
        defaults: The family's defaults moved into the space.
        test_rows: Positions of the test part in ``data``, which no worker is given
            until it is to be scored; None if there is none.
    """

    spec: StudySpec
    data: Dataset
    n_test: int
    fingerprint: str
    family: Family
    plan: Plan
    defaults: Params
    test_rows: NDArray[Any] | None = None

    @property
    def test(self) -> Dataset | None:
        """The test part; None if there is none."""
        if self.test_rows is None or len(self.test_rows) == 0:
            return None
        return self.data.take(self.test_rows)

    @property
    def rows(self) -> StudyRows | None:
        """What the rows of the folds are, to be stored; None if there is no data."""
        data = self.plan.data
        if data.n_rows == 0:
            return None
        return StudyRows(
            y=data.y,
            classes=None if data.classes is None else tuple(data.classes.tolist()),
            targets=data.targets,
            folds=self.plan.folds,
            n_test=self.n_test,
            code=code_digest(self.spec.model, self.plan.home),
            groups=data.groups,
        )


def prepare(spec: StudySpec) -> Prepared:
    """Read and split the data of a study and check the file against it.

    How rows become a test part and folds is described in `hpo.data.splits`: always by
    scikit-learn's own splitters, so that anybody can make the same.

    Raises:
        DataError: The data cannot be read or split.
        SpecError: Metric, model or space do not fit the data, or the backend is not
            installed.
    """
    if what := why_missing(spec.engine.backend):
        raise SpecError([Problem("engine.backend", what)])
    home = home_of(spec)
    family = get_family(spec.model, home=home, backend=spec.engine.backend)
    spec, family, notes = with_discovered_space(spec, family, home)
    data = _load(spec, home)
    return assemble(spec, replace(data, notes=(*data.notes, *notes)), family, home)


def home_of(spec: StudySpec) -> Home:
    """Return where code that a study names may come from, and what it finds set."""
    given = variables(spec.engine.backend, spec.engine.threads)
    return Home(spec.folder, spec.allowed_modules, tuple(given.items()))


def _load(spec: StudySpec, home: Home) -> Dataset:
    if spec.data.name == NO_DATA:
        return no_data()
    return load(
        spec.data.name,
        options=spec.data.options,
        target=spec.data.targets,
        features=spec.data.features,
        drop=spec.data.drop,
        group=spec.data.group,
        order=spec.data.order,
        task=spec.task,
        home=home,
    )


def no_data() -> Dataset:
    """Return the data set of an objective that needs none: it has no rows."""
    import numpy as np

    nothing = np.empty((0, 0)), np.empty(0)
    return Dataset(*nothing, "regression", None, numeric=(), categorical=())


def assemble(
    spec: StudySpec,
    data: Dataset,
    family: Family,
    home: Home,
    *,
    code: bytes | None = None,
    function: Callable[..., Any] | None = None,
    raw: tuple[Any, Any] | None = None,
) -> Prepared:
    """Split data that has been read, and check the file against it.

    Args:
        spec: The study.
        data: All rows.
        family: Of the spec's model.
        home: Where code that the spec names may be found.
        code: See `hpo.evaluation.Plan`; so are the others.
        function: See there.
        raw: See there; of all rows, of which none is then held out.

    Raises:
        DataError: The data cannot be split.
        SpecError: Metric, model or space do not fit the data.
    """
    is_objective = kind_of(spec.model) == OBJECTIVE
    default = UNNAMED if is_objective else DEFAULT_METRIC[data.task]
    minimize = spec.evaluation.direction == "minimize"
    metric = spec.evaluation.metric or default
    _check(spec, data, family, metric)
    train, folds, test_rows = _split(spec, data)
    plan = Plan(
        family=spec.model,
        data=train,
        folds=folds,
        seed=spec.search.seed,
        metric=f"{NEGATIVE}{metric}" if minimize else metric,
        metrics=spec.evaluation.metrics,
        home=home,
        minimize=minimize,
        code=code,
        function=function,
        raw=raw,
    )
    return Prepared(
        spec=spec,
        data=data,
        n_test=len(test_rows),
        fingerprint=fingerprint(data) if data.n_rows else NO_DATA,
        family=family,
        plan=plan,
        defaults=spec.space.defaults(family.defaults(data.task)),
        test_rows=test_rows,
    )


def _split(spec: StudySpec, data: Dataset) -> tuple[Dataset, Any, NDArray[Any]]:
    """Return the rows to learn from, their folds, and positions of the test part."""
    if data.n_rows == 0:
        return data, ((data.y, data.y),) * spec.evaluation.n_folds, data.y
    train_rows, test_rows = split_test(
        data, spec.data.test_size, seed=spec.search.seed, split=spec.split
    )
    if spec.evaluation.outer_fold is not None:
        inner, outer = _outer_fold(spec, data.take(train_rows))
        train_rows, test_rows = train_rows[inner], train_rows[outer]
    train = data.take(train_rows)
    folds = make_folds(
        train,
        n_folds=spec.evaluation.folds,
        repeats=spec.evaluation.repeats,
        split=spec.split,
        seed=spec.search.seed,
    )
    return train, tuple(folds), test_rows


def _outer_fold(spec: StudySpec, rows: Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the two parts of an outer fold: to search on, and to score at the end.

    Outer folds are made as the folds are, of as many as the nested study has.

    Args:
        spec: With an outer fold.
        rows: All but those that the nested study holds out.

    Returns:
        Positions in ``rows``.
    """
    assert spec.evaluation.outer_fold is not None
    number, n_folds = spec.evaluation.outer_fold
    folds = make_folds(rows, n_folds=n_folds, split=spec.split, seed=spec.search.seed)
    return folds[number]


def _check(spec: StudySpec, data: Dataset, family: Family, metric: str) -> None:
    problems = [
        problem
        if problem.where == "model"
        else Problem(f"space.{problem.where}", problem.what)
        for problem in (
            *family.problems(spec.space, data.task, data.n_outputs),
            *_array_problems(spec, data, family),
        )
    ]
    own_metrics = kind_of(spec.model) == OBJECTIVE
    named = () if own_metrics else (metric, *spec.evaluation.metrics)
    for index, name in enumerate(named):
        where = "evaluation.metric" if index == 0 else "evaluation.metrics"
        if what := why_unfit(name, data.task, data.n_classes, data.n_outputs):
            problems.append(Problem(where, what))
    if problems:
        raise SpecError(problems)


def _array_problems(spec: StudySpec, data: Dataset, family: Family) -> list[Problem]:
    """Find what a family that is given whole arrays cannot have done to them."""
    given = spec.space.declared.get("select_k")
    flat = data.is_table or not family.takes_arrays or "select_k" in family.keeps
    if flat or given is None or given.values == (None,):
        return []
    return [Problem("select_k", NO_SELECTION)]
