"""What a builder builds, found out in a child process without the user's data.

`describe_model` never imports the user's code itself. Run as a module, this file is the
child: a request in JSON on stdin, the description in JSON on what was stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.garbage import rarely_looked_for
from hpo.models import builder_keras, builder_sklearn
from hpo.models.builder import SEED
from hpo.models.builder_code import BuilderCode, kind_of
from hpo.models.builder_info import DataInfo, ReadParams
from hpo.models.builder_keras import Course
from hpo.models.builder_network import PROBED_ROWS, Network, examine
from hpo.models.builder_training import SCAN, SINGLE, STACKED
from hpo.models.family import FitRequest
from hpo.models.keras_tuner_code import HypermodelCode
from hpo.models.traced_choice import n_trainable, why_fit
from hpo.models.vocabulary import PIPELINE
from hpo.records import Params
from hpo.user_code import KERAS_TUNER, Home
from hpo.user_code import kind_of as library_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEOUT_SECONDS = 120.0
MAX_LAYERS = 100


def describe_model(
    name: str,
    home: Home,
    params: Params,
    info: DataInfo,
    *,
    whole_trials: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """Build a model once, in a child process, and say what it is.

    Args:
        name: ``module:function``, or ``keras_tuner:module:name``.
        home: Where the module may be found.
        params: Of one trial.
        info: Of the data; ``feature_shape`` is that of prepared rows.
        whole_trials: Whether the study gives the folds of a trial together.
        timeout_seconds: How long the builder may take, imports included.

    Returns:
        ``kind`` (``keras``, ``scikit-learn`` or None), ``class``, ``n_parameters`` and
        ``output_shape`` (of a Keras model, else None), ``layers`` (one line each),
        ``training`` (of a Keras model: how it would be trained),
        ``unread`` (hyperparameters that neither the builder nor training reads), and
        ``errors`` (why training would fail; empty if it would not).
    """
    request = {
        "name": name,
        "folder": str(home.folder.absolute()),
        "allowed": list(home.allowed),
        "params": dict(params),
        "info": asdict(info),
        "whole_trials": whole_trials,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            env=home.environment
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return _nothing(f"{name} took longer than {timeout_seconds:g} s to build")
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _nothing(f"{name} ended Python (exit code {done.returncode}): {last}")
    return found


def describe_here(
    name: str, home: Home, params: Params, info: DataInfo, *, whole_trials: bool = False
) -> dict[str, Any]:
    """Build a model once in this process; see `describe_model`."""
    hypermodel = library_of(name) == KERAS_TUNER
    code = HypermodelCode(name, home) if hypermodel else BuilderCode(name, home)
    found = _nothing()
    given = ReadParams(params)
    try:
        built = code.build(given, info)
        found |= {"kind": kind_of(built), "class": type(built).__name__}
        read = given.read | {*PIPELINE, SEED}
        if found["kind"] == "keras":
            read |= _read_by_training(built, params)
            network = _network(built, code, params, info)
            found |= _of_network(network) | {
                "training": _training(network, name, code, params, info, whole_trials)
            }
        else:
            builder_sklearn.check(built, name, info)
            found["layers"] = list(_steps(built))
        # A hypermodel was asked what it reads: that is how its space was found.
        found["unread"] = [n for n in params if n not in read and not hypermodel]
    except HpoError as error:
        found["errors"] = str(error).splitlines()
    return found


def _nothing(*errors: str) -> dict[str, Any]:
    return {
        "kind": None,
        "class": None,
        "n_parameters": None,
        "output_shape": None,
        "layers": [],
        "training": None,
        "unread": [],
        "errors": list(errors),
    }


def _read_by_training(model: Any, params: Params) -> set[str]:
    """Return the names that training reads, with this model and these params."""
    if model.compiled:
        return set(builder_keras.COURSE)
    optimizer = str(params.get("optimizer", builder_keras.DEFAULT_OPTIMIZER))
    return {
        "optimizer",
        *builder_keras.COURSE,
        *builder_keras.options_of(optimizer),
    }


def _network(model: Any, code: BuilderCode, params: Params, info: DataInfo) -> Network:
    X, _ = _noise(info)
    if isinstance(code, HypermodelCode):
        return examine(model, code, info, X, knows_loss=model.compiled)
    return builder_keras.prepared(model, code, params, info, X)


def _noise(info: DataInfo) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a few rows that have the form of the data, and targets."""
    import numpy as np

    rng = np.random.default_rng(info.seed)
    X = rng.standard_normal((PROBED_ROWS, *info.feature_shape))
    if info.task == "classification":
        return X, np.arange(PROBED_ROWS) % info.n_classes
    y = rng.standard_normal((PROBED_ROWS, info.n_targets))
    return X, y[:, 0] if info.n_targets == 1 else y


def _of_network(network: Network) -> dict[str, Any]:
    model = network.model
    return {
        "n_parameters": n_trainable(model),
        "output_shape": [None, network.n_units],
        "layers": [_layer(layer) for layer in model.layers[:MAX_LAYERS]],
    }


def _training(
    network: Network,
    name: str,
    code: BuilderCode,
    params: Params,
    info: DataInfo,
    whole_trials: bool,
) -> str | None:
    """Say how a model would be trained; None if only training can tell.

    Whether it can be compiled shows when a model of its own is trained for an epoch on
    a few rows of noise.
    """
    if isinstance(code, HypermodelCode) and code.has_own_fit:
        return "one by one by the hypermodel's own fit (own fit)"
    if not network.model.compiled:
        return None
    why = why_fit(network.model)
    if why is None:
        why = _tried(name, code, params, info)
    if not why:
        return _in_programs(network.model, params, info, whole_trials)
    return f"one by one by Keras' own fit ({why})"


def _in_programs(model: Any, params: Params, info: DataInfo, whole_trials: bool) -> str:
    """Say whether the folds of a model in a compiled program share its steps."""
    shape = info.n_rows, *info.feature_shape
    why = builder_keras.why_alone(model, Course.of(params), shape)
    if why is None and whole_trials:
        return f"the folds of a trial together in one program ({STACKED})"
    return f"a whole epoch per compiled call ({SCAN}: {why or SINGLE})"


def _tried(name: str, code: BuilderCode, params: Params, info: DataInfo) -> str:
    """Train a model once on noise; return why it took ``fit``, empty if it did not."""
    from hpo.models import get_family

    X, y = _noise(info)
    once = {**params, "epochs": 1, "patience": None}
    request = FitRequest(once, X, y, info.task, info.n_classes, info.seed)
    (fitted,) = get_family(name, home=code.home).fit_group([request])
    if isinstance(fitted, Exception):
        return ""  # of noise nobody can learn; training itself says what is wrong
    _, _, why = fitted.engine.partition(" fit: ")
    return why


def _layer(layer: Any) -> str:
    shape = getattr(getattr(layer, "output", None), "shape", None)
    kind = type(layer).__name__
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    what = f"{kind} {activation}" if activation else kind
    numbers = f"{layer.count_params():,} parameters" if layer.built else "not built"
    return f"{what}: {tuple(shape)}, {numbers}" if shape else f"{what}: {numbers}"


def _steps(estimator: Any) -> Iterator[str]:
    for _, step in getattr(estimator, "steps", [("", estimator)]):
        yield " ".join(repr(step).split())


def main() -> None:
    """Answer one request."""
    rarely_looked_for()
    answer = os.dup(1)
    os.dup2(2, 1)  # what the user's code prints is no answer
    request = json.load(sys.stdin)
    info = request["info"] | {"feature_shape": tuple(request["info"]["feature_shape"])}
    found = describe_here(
        request["name"],
        Home(Path(request["folder"]), tuple(request["allowed"])),
        request["params"],
        DataInfo(**info),
        whole_trials=request["whole_trials"],
    )
    with os.fdopen(answer, "w") as out:
        json.dump(found, out)


if __name__ == "__main__":
    main()
