"""The search of pipeline.yaml from Python, in place of scikit-learn's own searches.

Run it: python studies/pipeline/search_cv.py
"""

from forest import make_pipeline
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import hpo

space = {
    "select__k": hpo.Int(2, 30, log=True),
    "forest__n_estimators": hpo.Int(10, 100, log=True),
    "forest__max_depth": hpo.Int(2, 12),
    "forest__max_features": hpo.Float(0.1, 1.0),
}
X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.2, stratify=y, random_state=0
)
search = hpo.SearchCV(
    make_pipeline().set_params(forest__random_state=0),
    space,
    strategy="bayesian",
    n_iter=15,
    cv=5,
    scoring="roc_auc",
)
search.fit(X_train, y_train)

print("best params:", search.best_params_)
print(f"ROC AUC of five folds: {search.best_score_:.4f}")
# Refitted with the best params on all training rows; these rows it has never seen.
print(f"ROC AUC of the test part: {search.score(X_test, y_test):.4f}")
