"""A convolutional network for the handwritten digits, built in Keras."""

import keras
from keras import layers


def build(params, data):
    """Return a network for images of 8 x 8 pixels that come as rows of 64 numbers."""
    row = keras.Input(shape=data.feature_shape)
    x = layers.Reshape((8, 8, 1))(row)
    for level in range(params["depth"]):
        # Each level halves the image and has twice as many filters to look at it.
        filters = params["filters"] * 2**level
        x = layers.Conv2D(filters, params["kernel"], padding="same")(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(params["dropout"])(x)
    digit = layers.Dense(data.output_units, activation=data.output_activation)(x)
    return keras.Model(row, digit)
