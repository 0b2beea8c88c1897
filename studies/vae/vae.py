"""A variational autoencoder, scored by how well it explains images it has not seen.

The autoencoder says how probable an image x is. It does so through a hidden vector z:

* z has the standard normal distribution p(z) = N(0, 1), `latent` numbers in all;
* the decoder turns z into p(x | z). A pixel of the digits counts how many of 16 dots
  are ink, so it is a binomial variable, with a probability that the decoder says;
* the encoder guesses z from x: q(z | x) = N(mean, exp(log_variance)).

log p(x) itself cannot be computed. The evidence lower bound is never greater:

    ELBO(x) = E_q[log p(x | z)] - KL(q(z | x) || p(z))        in nats per image

The score of a fold is the mean ELBO of its validation images; more is better. Training
maximises E_q[log p(x | z)] - beta * KL. The score always has beta = 1: otherwise a
small beta would look good without explaining anything better.

Source: D. Kingma and M. Welling, "Auto-Encoding Variational Bayes", ICLR 2014; beta is
from I. Higgins et al., "beta-VAE", ICLR 2017.
"""

import math

import keras
from keras import layers, ops

N_DOTS = 16  # of a pixel
LOG_WAYS = [math.log(math.comb(N_DOTS, n_inked)) for n_inked in range(N_DOTS + 1)]


def elbo(params, fold):
    """Train on the training images, and return the ELBO of the validation images."""
    keras.utils.clear_session()  # of the networks of other folds
    keras.utils.set_random_seed(fold.seed)
    train, val = fold.X_train / N_DOTS, fold.X_val / N_DOTS  # shares of ink, 0 to 1
    model = make_model(params, n_pixels=train.shape[1], seed=fold.seed)

    def loss(x, outputs):
        return -log_likelihood(x, outputs) + params["beta"] * divergence(x, outputs)

    model.compile(
        keras.optimizers.Adam(params["learning_rate"]),
        loss,
        metrics=[log_likelihood, divergence],
    )

    def report(epoch, logs):
        value = logs["val_log_likelihood"] - logs["val_divergence"]
        fold.report(epoch + 1, value)

    history = model.fit(
        train,
        train,
        validation_data=(val, val),
        batch_size=64,
        validation_batch_size=len(val),
        epochs=params["epochs"],
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
        verbose=0,
    ).history
    # After the last epoch, not the best one: that would be a choice by these images.
    explained, kl = history["val_log_likelihood"][-1], history["val_divergence"][-1]
    return {"elbo": explained - kl, "log_likelihood": explained, "divergence": kl}


class Draw(layers.Layer):
    """Draws z from mean and variance in a way that lets gradients reach both."""

    def __init__(self, seed):
        super().__init__()
        self.noise = keras.random.SeedGenerator(seed)

    def call(self, mean, log_variance):
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        return mean + ops.exp(log_variance / 2) * noise


def make_model(params, n_pixels, seed):
    """Return encoder and decoder as one network.

    Its outputs are what the ELBO needs, side by side: the logit of ink for each pixel,
    then the mean and the logarithm of the variance of each number in z.
    """
    latent, width = params["latent"], params["width"]
    image = keras.Input(shape=(n_pixels,))
    hidden = layers.Dense(width, activation="relu")(image)
    mean = layers.Dense(latent)(hidden)
    log_variance = layers.Dense(latent)(hidden)
    z = Draw(seed)(mean, log_variance)
    hidden = layers.Dense(width, activation="relu")(z)
    logits = layers.Dense(n_pixels)(hidden)
    return keras.Model(image, layers.Concatenate()([logits, mean, log_variance]))


def log_likelihood(x, outputs):
    """Return log p(x | z) of each image in nats, shape (n,).

    Args:
        x: Shares of ink from 0 to 1 in steps of 1 / 16, shape (n, n_pixels).
        outputs: Of the model, shape (n, n_pixels + 2 * latent).
    """
    logits = outputs[:, : x.shape[1]]
    log_ways = ops.take(LOG_WAYS, ops.cast(ops.round(N_DOTS * x), "int32"))
    # For p = sigmoid(logit), log(p) is -softplus(-logit), log(1 - p) -softplus(logit).
    log_dots = -x * ops.softplus(-logits) - (1 - x) * ops.softplus(logits)
    return ops.sum(log_ways + N_DOTS * log_dots, axis=1)


def divergence(x, outputs):
    """Return KL(q(z | x) || p(z)) of each image in nats, shape (n,).

    Between normal distributions it is known in closed form, for each number in z

        (mean**2 + variance - log(variance) - 1) / 2
    """
    mean, log_variance = ops.split(outputs[:, x.shape[1] :], 2, axis=1)
    each = mean**2 + ops.exp(log_variance) - log_variance - 1
    return ops.sum(each, axis=1) / 2
