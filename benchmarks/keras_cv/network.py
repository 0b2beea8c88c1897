"""Networks for the digits, as a user of hpo would write them."""

from typing import Any

import keras
from keras import layers


def build(params: Any, data: Any) -> Any:
    """Return a network that is not compiled yet."""
    return convolutional(params, data.feature_shape, data.output_units)


def convolutional(params: Any, shape: tuple[int, ...], n_classes: int) -> Any:
    """Return two convolutions, a pooling and a dense layer of ``n_classes``."""
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(params["filters"], 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * params["filters"], 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(params["drop"]),
            layers.Dense(n_classes, activation="softmax"),
        ]
    )


def layered(params: Any, data: Any) -> Any:
    """Return dense layers that are not compiled yet."""
    return layered_of(params, data.feature_shape, data.output_units)


def layered_of(params: Any, shape: tuple[int, ...], n_classes: int) -> Any:
    """Return two dense layers, each with dropout if there is any, and the outputs."""
    network = keras.Sequential([keras.Input(shape)])
    for _ in range(params["hidden_layers"]):
        network.add(layers.Dense(params["units"], activation="relu"))
        if params["drop"]:
            network.add(layers.Dropout(params["drop"]))
    network.add(layers.Dense(n_classes, activation="softmax"))
    return network
