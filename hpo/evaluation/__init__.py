"""Cross-validation of groups of (trial, fold) pairs, in a worker."""

from hpo.evaluation.evaluator import Evaluator, make_runner, preload
from hpo.evaluation.plan import Group, Pair, Plan
from hpo.evaluation.scratch import make_scratch, remove_scratch
from hpo.evaluation.sharing import SharedPlan, is_large, share

__all__ = [
    "Evaluator",
    "Group",
    "Pair",
    "Plan",
    "SharedPlan",
    "is_large",
    "make_runner",
    "make_scratch",
    "preload",
    "remove_scratch",
    "share",
]
