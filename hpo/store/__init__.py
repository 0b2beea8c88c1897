"""The store: studies in a SQL database, the only truth there is."""

from hpo.records import TrialKind, TrialOutline
from hpo.store.database import masked, why_no_driver
from hpo.store.mirror import Mark, Mirror
from hpo.store.store import Store
from hpo.store.writer import MANUAL, SEARCH, Changes, StudyWriter

__all__ = [
    "MANUAL",
    "SEARCH",
    "Changes",
    "Mark",
    "Mirror",
    "Store",
    "StudyWriter",
    "TrialKind",
    "TrialOutline",
    "masked",
    "why_no_driver",
]
