"""MLflow as a projection of the store: fed from it, and never waited for."""

from hpo.tracking.address import in_memory, masked, refuse_shared, resolve
from hpo.tracking.tracker import Farewell, Tracker

__all__ = ["Farewell", "Tracker", "in_memory", "masked", "refuse_shared", "resolve"]
