"""Networks of Keras as ``.keras`` files, which hold no code.

A file is Keras' own archive with one more entry: what the numbers that go in and come
out mean. Keras loads it as it is; code in it, as a lambda is, is refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpo.errors import ExportError, SpecError, TrialError
from hpo.models.archives import check_sizes
from hpo.models.builder_code import one_line
from hpo.models.builder_ends import Ends
from hpo.models.builder_info import DataInfo
from hpo.models.builder_network import Network
from hpo.models.family import Predictor
from hpo.models.keras_mlp import KerasModel
from hpo.models.keras_network import Architecture
from hpo.models.keras_runtime import prepare
from hpo.models.settings import Settings
from hpo.user_code import Home, find

FACTS, CONFIG = "hpo.json", "config.json"
"""Entries of the archive: what the numbers mean, and Keras' description."""

DENSE, NETWORK = "dense", "network"
"""A network of `keras-mlp`, which NumPy runs; any other, which Keras runs."""

AGAIN = "export the study again"
LAMBDA = (
    "a Lambda layer holds Python code, which is never loaded from a file; write it as "
    "a layer class of your own, or with keras.ops and keras.layers"
)


def save(model: KerasModel | Network, file: Path, *, module: str | None = None) -> None:
    """Save a network, with what it takes to predict as it does.

    Args:
        model: With its weights.
        file: Where to.
        module: Where functions that Keras saves by name come from; see
            `hpo.models.saving.save_model`.

    Raises:
        TrialError: It cannot be saved so that it can be loaded without code in it.
        OSError: The file cannot be written.
    """
    if isinstance(model, KerasModel):
        network, facts = model.network(), _dense_facts(model)
    else:
        network, facts = model.model, _network_facts(model)
    try:
        network.save(file)
    except OSError:
        raise
    except Exception as error:  # whatever Keras or the user's get_config says
        said = one_line(f"{type(error).__name__}: {error}")
        raise TrialError("error", f"the network cannot be saved: {said}") from error
    with zipfile.ZipFile(file, "a") as archive:
        config = json.loads(archive.read(CONFIG))
        if _has_code(config):
            raise TrialError("error", f"the network cannot be saved: {LAMBDA}")
        archive.writestr(FACTS, json.dumps(facts | {"own": _own(config, module)}))


def load(file: Path, *, n_classes: int, home: Home | None) -> Predictor:
    """Load a network that `save` saved; see `hpo.models.saving.load_model`.

    Raises:
        ExportError: See there.
    """
    facts, config = _read(file)
    if facts.get("n_classes") != n_classes:
        got = facts.get("n_classes")
        raise ExportError(f"{file}: expected a model of {n_classes} classes; got {got}")
    if _has_code(config):
        raise ExportError(f"{file}: {LAMBDA}")
    prepare()
    objects = _custom_objects(file, _needed(facts), home)
    try:
        return _predictor(facts, _load(file, objects))
    except Exception as error:  # whatever Keras finds in a file that is not as it was
        said = one_line(f"{type(error).__name__}: {error}")
        raise ExportError(f"{file}: cannot be loaded: {said}; {AGAIN}") from error


def needed_modules(file: Path) -> tuple[str, ...]:
    """Return the modules that define layers or functions which are not Keras' own."""
    return tuple(sorted({module for module, _, _ in _needed(_read(file)[0])}))


def _dense_facts(model: KerasModel) -> dict[str, Any]:
    return {
        "kind": DENSE,
        "n_classes": model.n_classes,
        "architecture": asdict(model.architecture),
        "settings": asdict(model.settings),
    }


def _network_facts(network: Network) -> dict[str, Any]:
    return {
        "kind": NETWORK,
        "n_classes": network.info.n_classes,
        "info": asdict(network.info),
        "n_units": network.n_units,
        "from_logits": network.from_logits,
        "ends": asdict(network.ends),
    }


def _predictor(facts: dict[str, Any], model: Any) -> Predictor:
    if facts["kind"] == DENSE:
        dense = KerasModel(
            Architecture(**_with_tuples(facts["architecture"])),
            model.get_weights(),
            facts["n_classes"],
            Settings(**_with_tuples(facts["settings"])),
        )
        _check_shapes(dense, model)
        return dense
    return Network(
        model,
        DataInfo(**_with_tuples(facts["info"])),
        facts["n_units"],
        facts["from_logits"],
        Ends(**_with_tuples(facts["ends"])),
    )


def _check_shapes(dense: KerasModel, model: Any) -> None:
    """Refuse a network that is not the one which the facts describe."""
    found = [layer["class_name"] for layer in model.get_config()["layers"]]
    expected = [type(layer).__name__ for layer in dense.network().layers]
    if found != expected:
        raise ValueError(f"expected layers {expected}; got {found}")


def _with_tuples(values: Any) -> Any:
    """Return a mapping of JSON with tuples for lists, as in the dataclasses."""
    if isinstance(values, dict):
        return {name: _with_tuples(value) for name, value in values.items()}
    if isinstance(values, list):
        return tuple(map(_with_tuples, values))
    return values


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the numbers mean, and Keras' own description without its training."""
    try:
        check_sizes(file)
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if CONFIG in names and FACTS not in names:
                what = "was not saved by hpo, or was saved again since"
                raise ExportError(f"{file}: {what}; {AGAIN}")
            facts = json.loads(archive.read(FACTS))
            config = json.loads(archive.read(CONFIG))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ExportError(f"{file}: is broken ({error}); {AGAIN}") from error
    if not isinstance(facts, dict) or not isinstance(config, dict):
        raise ExportError(f"{file}: is broken; {AGAIN}")
    config.pop("compile_config", None)  # it is loaded to predict alone
    return facts, config


def _load(file: Path, objects: dict[str, Any]) -> Any:
    import keras

    return keras.saving.load_model(
        file, custom_objects=objects, compile=False, safe_mode=True
    )


def _custom_objects(
    file: Path, needed: Sequence[tuple[str, str, str]], home: Home | None
) -> dict[str, Any]:
    """Import what a network is made of besides Keras, where ``home`` has it."""
    objects: dict[str, Any] = {}
    for module, name, registered in needed:
        if home is None:
            raise ExportError(
                f"{file}: needs {name} of the module {module!r}, and no module is "
                "imported for a file unless its folder or package is named"
            )
        try:
            found = find(f"{module}:{name}", home, where=str(file))
        except SpecError as error:
            raise ExportError(str(error)) from error
        objects |= {name: found, registered: found}
    return objects


def _own(config: dict[str, Any], module: str | None) -> list[tuple[str, str, str]]:
    """Return module, name and registered name of what is not Keras' own.

    Keras saves the module of a class. Of a function it saves the name alone.
    """
    found: dict[tuple[str, str, str], None] = {}
    model = {key: value for key, value in config.items() if key != "compile_config"}
    for part in _parts(model):
        origin, kind = part.get("module"), part.get("class_name")
        if not isinstance(origin, str) or not isinstance(kind, str):
            continue
        is_function = kind == "function"
        registered = str(part["config"] if is_function else part["registered_name"])
        name = registered.rpartition(">")[2]
        if is_function and origin == "builtins":
            if module is not None and not _is_of_keras(name):
                found[(module, name, registered)] = None
        elif origin.partition(".")[0] not in ("keras", "builtins"):
            found[(origin, name if is_function else kind, registered)] = None
    return list(found)


def _is_of_keras(function: str) -> bool:
    import keras

    modules = (keras.activations, keras.losses, keras.metrics, keras.initializers)
    return any(hasattr(module, function) for module in modules)


def _needed(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what `_own` found when the file was saved."""
    own = facts.get("own", [])
    return [(str(module), str(name), str(full)) for module, name, full in own]


def _has_code(config: Any) -> bool:
    return any(
        part.get("class_name") in ("__lambda__", "Lambda") for part in _parts(config)
    )


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping inside of a description."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    for value in config if isinstance(config, list) else ():
        yield from _parts(value)
