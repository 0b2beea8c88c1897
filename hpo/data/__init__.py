"""Load data, split their rows and tell whether they are still the same.

Every function here takes plain arguments and gives plain values: none sees a study, a
model or the store. Mistakes of the user are `hpo.errors.DataError`.
"""

from hpo.data.fingerprint import fingerprint
from hpo.data.sources import load
from hpo.data.splits import make_folds
from hpo.data.test_part import split_test

__all__ = ["fingerprint", "load", "make_folds", "split_test"]
