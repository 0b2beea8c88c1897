"""A pipeline of scikit-learn: choose features, then grow a random forest."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import Pipeline


def make_pipeline():
    """Return the pipeline with the defaults of scikit-learn."""
    return Pipeline([("select", SelectKBest()), ("forest", RandomForestClassifier())])


def build(params, data):
    """Return the pipeline for a trial.

    Hyperparameters have scikit-learn's names: `forest__max_depth` is the `max_depth` of
    the step `forest`. hpo gives the forest its seed, `data.seed`.
    """
    return make_pipeline().set_params(**params)
