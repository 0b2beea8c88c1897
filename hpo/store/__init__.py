"""The store: studies in a SQL database, the only truth there is."""

from hpo.store.database import masked
from hpo.store.store import Store
from hpo.store.writer import MANUAL, Changes, StudyWriter

__all__ = ["MANUAL", "Changes", "Store", "StudyWriter", "masked"]
