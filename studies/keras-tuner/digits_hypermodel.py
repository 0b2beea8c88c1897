"""A hypermodel of Keras Tuner for the digits; nothing in it knows of hpo."""

import keras
import keras_tuner


class DigitsHyperModel(keras_tuner.HyperModel):
    """A dense or a convolutional network, and how fast it learns."""

    def build(self, hp):
        """Build one network."""
        kind = hp.Choice("kind", ["dense", "convolutional"])
        model = keras.Sequential([keras.Input((64,))])
        with hp.conditional_scope("kind", ["dense"]):
            if kind == "dense":
                units = hp.Int("units", 16, 128, step=2, sampling="log", default=64)
                model.add(keras.layers.Dense(units, "relu"))
        with hp.conditional_scope("kind", ["convolutional"]):
            if kind == "convolutional":
                filters = hp.Int("filters", 8, 24, step=8)
                model.add(keras.layers.Reshape((8, 8, 1)))
                model.add(keras.layers.Conv2D(filters, 3, activation="relu"))
                model.add(keras.layers.Flatten())
        model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.5, step=0.25)))
        model.add(keras.layers.Dense(10, "softmax"))
        learning_rate = hp.Float(
            "learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3
        )
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        """Train it with batches of a size that is searched too."""
        batch_size = hp.Choice("batch_size", [32, 64, 128])
        return model.fit(*args, batch_size=batch_size, **kwargs)
