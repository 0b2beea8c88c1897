"""The words and examples on the pages that generate.py makes.

The tests read every example as a user's file is read.
"""

from __future__ import annotations

EXAMPLES = {
    "init": ["hpo init", "hpo init weather.yaml --data weather.csv --target weather"],
    "check": ["hpo check studies/digits.yaml", "hpo check studies/digits.yaml --time"],
    "run": [
        "hpo run studies/digits.yaml",
        "hpo run studies/digits.yaml --trials 100 --jobs 4",
        "hpo run studies/digits.yaml --strategy random --name digits-random",
    ],
    "try": ["hpo try studies/digits.yaml -p units=128 -p dropout=0.1"],
    "list": ["hpo list", "hpo list --format json"],
    "show": ["hpo show digits", "hpo show digits --watch"],
    "trials": ["hpo trials digits", "hpo trials digits --format csv > trials.csv"],
    "best": [
        "hpo best digits",
        "hpo best digits --test",
        "hpo best digits --format json",
    ],
    "report": ["hpo report digits", "hpo report digits -o digits.html"],
    "compare": [
        "hpo compare digits digits-random",
        "hpo compare studies/wine-forest.yaml --strategies grid,random,bayesian",
    ],
    "export": [
        "hpo export digits --to model",
        "hpo export digits --to model --trial 3 --register digits",
    ],
    "predict": [
        "hpo predict model new.csv -o predictions.csv",
    ],
    "delete": ["hpo delete digits"],
    "sync": [
        "hpo sync",
        "hpo sync digits --tracking http://127.0.0.1:5000",
    ],
    "ui": ["hpo ui", "hpo ui digits --port 5001"],
    "doctor": ["hpo doctor", "hpo doctor --store sqlite:///studies.db"],
}

EXIT_CODES = """\
Exit codes: 0 done; 2 a mistake in the file, the data or the command; 3 the study is
being run by another process; 4 no trial succeeded; 5 the store or the workers went
away, or MLflow where it is needed; 130 interrupted. Results go to stdout, everything
else to stderr."""

FAMILIES = {
    "keras-mlp": "hpo/models/vocabulary.py",
    "sklearn-mlp": "hpo/models/vocabulary.py",
    "sklearn.class": "hpo/models/sklearn_estimator.py, hpo/models/vocabulary.py",
    "builder": "hpo/models/builder.py, hpo/models/vocabulary.py",
}
"""The families, and where their hyperparameters are described."""

GUIDES = (
    ("tutorial.md", "a study from a CSV file to a result, step by step"),
    ("study-file.md", "every key and every hyperparameter"),
    ("your-own-network.md", "a Python function that builds the network"),
    ("keras-tuner.md", "a `build(hp)` function or a HyperModel, unchanged"),
    ("python.md", "`import hpo`: the same without files"),
    ("results.md", "which trial to take, how good it really is, and why"),
    ("report.md", "the page of a study: what is on it and how to read it"),
    ("export.md", "the fitted model, and predictions for new rows"),
    ("compare.md", "studies and strategies side by side"),
    ("mlflow.md", "what MLflow shows of a study, when, and what it never gets"),
    (
        "trained-together.md",
        "all folds, and many trials, in one program; TensorFlow and JAX",
    ),
    ("how-it-works.md", "how the promises are kept"),
    ("service.md", "with PostgreSQL and MLflow, by Docker Compose or without it"),
    ("contributing.md", "the four commands and the map of the code"),
    ("changelog.md", "what changed"),
)

FAMILY_WORDS = {
    "keras-mlp": """\
A dense network in Keras.

The folds of a trial are trained together in one compiled program, and so are trials
whose networks have the same layers and batch size. The output and the loss follow the
task: softmax and cross-entropy for several classes, sigmoid and binary cross-entropy
for two, linear and mean squared error for regression, one output for each target.""",
    "sklearn-mlp": """\
A dense network of scikit-learn: `MLPClassifier` or `MLPRegressor`, as the task asks.

It has the vocabulary of `keras-mlp`, so that a change of `model` keeps the space. What
differs by the nature of the library: the regressor minimises half the squared error, so
its sgd needs twice the learning rate for the same step; weighted losses are divided by
the weights of a batch, not by its rows; lbfgs takes all rows at once and has no curve
of its losses.""",
    "sklearn.class": """\
Any classifier or regressor of scikit-learn by its import path: `sklearn.svm.SVC`.

Hyperparameters have the names of the class, and scikit-learn itself says which values
it takes. Only public classes that need no arguments are accepted. Each fold has a
`random_state` of its own unless the space gives one.""",
    "builder": """\
A Python function of your own, `module:function`, that returns a Keras model or a \
scikit-learn estimator.

It is called as `build(params, data)`. The module lies beside the study file, or in a
package that `--allow-module` names. [Your own network](../your-own-network.md) says
what the function is given and what it may return.""",
}

_OF_NETWORKS = "A hyperparameter that the space leaves out has its default."

OF_HYPERPARAMETERS = {
    "keras-mlp": _OF_NETWORKS,
    "sklearn-mlp": _OF_NETWORKS,
    "sklearn.class": "Those of the class, and these for what is done around it. If the "
    "class has a hyperparameter of the same name, its own is meant.",
    "builder": "Whatever the function reads, and these, which have a meaning for hpo "
    "as well. `batch_size`, `epochs` and `patience` are for Keras models; `optimizer` "
    "and what belongs to it for Keras models that come without an optimizer.",
}

SELECTION = (
    "`select_by: mutual_info` is slow on large tables, the F-test is not: each fold "
    "judges every feature anew."
)

FAMILY_EXAMPLES = {
    "keras-mlp": """\
```yaml
name: digits-keras
data:
  source: sklearn.digits
model: keras-mlp
space:
  hidden_layers: {int: [1, 3]}
  units: {int: [16, 256], log: true, repeat: hidden_layers}
  dropout: {float: [0, 0.5]}
  learning_rate: {float: [1e-4, 1e-1], log: true}
  epochs: 50
  patience: 5
```""",
    "sklearn-mlp": """\
```yaml
name: wine-mlp
data:
  source: sklearn.wine
model: sklearn-mlp
space:
  hidden_layers: [0, 1, 2]
  units: {int: [4, 64], log: true}
  optimizer: [adam, lbfgs]
  learning_rate: {float: [1e-4, 1e-1], log: true, when: {optimizer: adam}}
  l2: {float: [1e-6, 1e-1], log: true}
```""",
    "sklearn.class": """\
```yaml
name: wine-svm
data:
  source: sklearn.wine
model: sklearn.svm.SVC
space:
  C: {float: [1e-2, 1e2], log: true}
  kernel: [linear, rbf, poly]
  gamma: {float: [1e-3, 1e1], log: true, when: {kernel: [rbf, poly]}}
  degree: {int: [2, 4], when: {kernel: poly}}
  scale: [standard, minmax]
```""",
    "builder": """\
```yaml
name: digits-own
data:
  source: sklearn.digits
model: network:build
space:
  units: {int: [16, 128], log: true}
  dropout: {float: [0, 0.5]}
  learning_rate: {float: [1e-4, 1e-1], log: true}
  epochs: 20
```

```python
# network.py
import keras
from keras import layers


def build(params, data):
    return keras.Sequential(
        [
            keras.Input(shape=data.feature_shape),
            layers.Dense(params["units"], activation="relu"),
            layers.Dropout(params["dropout"]),
            layers.Dense(data.output_units, activation=data.output_activation),
        ]
    )
```""",
}
