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
    """Return dense layers, each with dropout if there is any, not compiled yet.

    With ``filters`` a convolution comes before them, for images of 8 x 8.
    """
    network = keras.Sequential([keras.Input(data.feature_shape)])
    if "filters" in params:
        network.add(layers.Reshape((8, 8, 1)))
        network.add(layers.Conv2D(params["filters"], 3, activation="relu"))
        network.add(layers.Flatten())
    for _ in range(params["hidden_layers"]):
        network.add(layers.Dense(params["units"], activation="relu"))
        if params["drop"]:
            network.add(layers.Dropout(params["drop"]))
    network.add(layers.Dense(data.output_units, activation=data.output_activation))
    return network
