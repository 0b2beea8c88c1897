"""Exported models: a folder with a trained model that needs neither store nor data."""

from hpo.export.loading import load_model
from hpo.export.model import ExportedModel
from hpo.export.writing import Exported, export_model

__all__ = ["Exported", "ExportedModel", "export_model", "load_model"]
