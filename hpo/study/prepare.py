"""From a study file to what will run: data read and split, metric and model checked.

Everything that can be refused is refused here, before a row is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.data import fingerprint, load, make_folds, split_test
from hpo.errors import Problem, SpecError
from hpo.evaluation import Plan
from hpo.metrics import DEFAULT_METRIC, why_unfit
from hpo.models import get_family
from hpo.models.family import Family
from hpo.records import Dataset, Params
from hpo.spec import StudySpec


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
    """

    spec: StudySpec
    data: Dataset
    n_test: int
    fingerprint: str
    family: Family
    plan: Plan
    defaults: Params


def prepare(spec: StudySpec) -> Prepared:
    """Read and split the data of a study and check the file against it.

    The test part is ``train_test_split(rows, test_size, random_state=seed)``, and the
    folds are ``KFold`` or ``StratifiedKFold(folds, shuffle=True, random_state=seed)``
    of the other rows, so that anybody can make the same with scikit-learn.

    Raises:
        DataError: The data cannot be read or split.
        SpecError: Metric, model or space do not fit the data.
    """
    data = load(
        spec.data.source,
        target=spec.data.target,
        features=spec.data.features,
        drop=spec.data.drop,
        task=spec.task,
        folder=spec.folder,
    )
    family = get_family(spec.model)
    metric = spec.evaluation.metric or DEFAULT_METRIC[data.task]
    _check(spec, data, family, metric)
    train_rows, test_rows = split_test(data, spec.data.test_size, spec.search.seed)
    train = data.take(train_rows)
    folds = make_folds(
        train.y,
        train.task,
        n_folds=spec.evaluation.folds,
        split=spec.evaluation.split,
        seed=spec.search.seed,
        classes=train.classes,
    )
    plan = Plan(
        family=spec.model,
        data=train,
        folds=tuple(folds),
        seed=spec.search.seed,
        metric=metric,
        metrics=spec.evaluation.metrics,
    )
    return Prepared(
        spec=spec,
        data=data,
        n_test=len(test_rows),
        fingerprint=fingerprint(data),
        family=family,
        plan=plan,
        defaults=spec.space.defaults(family.defaults(data.task)),
    )


def _check(spec: StudySpec, data: Dataset, family: Family, metric: str) -> None:
    problems = [
        problem
        if problem.where == "model"
        else Problem(f"space.{problem.where}", problem.what)
        for problem in family.problems(spec.space, data.task)
    ]
    for index, name in enumerate((metric, *spec.evaluation.metrics)):
        where = "evaluation.metric" if index == 0 else "evaluation.metrics"
        if what := why_unfit(name, data.task, data.n_classes):
            problems.append(Problem(where, what))
    if problems:
        raise SpecError(problems)
