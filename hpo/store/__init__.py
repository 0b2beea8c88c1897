"""The store: studies in a SQL database, the only truth there is."""

from hpo.store.database import masked
from hpo.store.store import Store
from hpo.store.writer import Changes, StudyWriter

__all__ = ["Changes", "Store", "StudyWriter", "masked"]
