"""A generative adversarial network that learns eight dots on a ring.

A generator turns noise into points. A discriminator learns to tell them from true
points, and the generator learns to deceive it. Neither loss says how good the generator
is, as each depends on the opponent. So the score is a distance between two sets of
points: how far generated ones are from fresh true ones. Less is better.

There is no data file: true points are drawn, anew in every fold, so that folds are
repetitions with other seeds. A GAN that works by luck does not work in all of them.

Source: I. Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

N_DOTS, RADIUS, SPREAD = 8, 2.0, 0.2
BATCH_SIZE = 128
N_BATCHES = 20  # of an epoch
N_SCORED = 500  # points on each side of the comparison


def distance(params, fold):
    """Train a GAN and return how far its points are from true ones."""
    keras.utils.clear_session()  # of the networks of other folds
    keras.utils.set_random_seed(fold.seed)
    rng = np.random.default_rng(fold.seed)
    gan = Gan(params, fold.seed)
    for epoch in range(1, params["epochs"] + 1):
        for _ in range(N_BATCHES):
            gan.train(true_points(BATCH_SIZE, rng))
        score = squared_mmd(gan.draw(N_SCORED), true_points(N_SCORED, rng))
        fold.report(epoch, score)
    return score


def true_points(n_points, rng):
    """Draw points around the dots of the ring, shape (n_points, 2)."""
    angle = 2 * np.pi * rng.integers(N_DOTS, size=n_points) / N_DOTS
    dot = RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (dot + rng.normal(0, SPREAD, dot.shape)).astype("float32")


def squared_mmd(a, b, bandwidth=0.5):
    """Return the squared maximum mean discrepancy between two samples, unbiased.

    With the kernel k(x, y) = exp(-|x - y|**2 / (2 * bandwidth**2)) it is

        mean k(a, a') + mean k(b, b') - 2 * mean k(a, b)

    where a' is another point of the same sample. Being unbiased, it is 0 on average if
    both samples are from one distribution, and then below 0 half of the time.

    Args:
        a: One sample, shape (n, 2).
        b: The other, shape (m, 2).
        bandwidth: Distance that the kernel sees: about that of neighbours on the ring.

    Source:
        A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), lemma 6.
    """

    def kernel(x, y):
        squared = ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
        return np.exp(-squared / (2 * bandwidth**2))

    def among(x):
        n = len(x)
        return (kernel(x, x).sum() - n) / (n * (n - 1))  # not with itself: k(x, x) = 1

    return among(a) + among(b) - 2 * kernel(a, b).mean()


class Gan:
    """Generator and discriminator, trained in turns."""

    def __init__(self, params, seed):
        self.latent, width = params["latent"], params["width"]
        self.noise = keras.random.SeedGenerator(seed)
        self.generator = make_network(self.latent, width, n_outputs=2)
        self.discriminator = make_network(2, width, n_outputs=1)
        speed = params["learning_rate"]
        self.generator_optimizer = make_optimizer(self.generator, speed)
        speed *= params["discriminator_speed"]
        self.discriminator_optimizer = make_optimizer(self.discriminator, speed)

    def generate(self, n_points):
        noise = keras.random.normal((n_points, self.latent), seed=self.noise)
        return self.generator(noise)

    def draw(self, n_points):
        """Return generated points as an array, shape (n_points, 2)."""
        return keras.ops.convert_to_numpy(self.generate(n_points))

    @tf.function  # compiles it: some ten times as fast
    def train(self, true):
        """Take one step of the discriminator, then one of the generator."""
        with tf.GradientTape() as tape:
            seen_true = self.discriminator(true)
            seen_false = self.discriminator(self.generate(BATCH_SIZE))
            loss = cross_entropy(seen_true, 1.0) + cross_entropy(seen_false, 0.0)
        step(self.discriminator, self.discriminator_optimizer, tape, loss)
        with tf.GradientTape() as tape:
            seen_false = self.discriminator(self.generate(BATCH_SIZE))
            loss = cross_entropy(seen_false, 1.0)
        step(self.generator, self.generator_optimizer, tape, loss)


def make_network(n_inputs, width, n_outputs):
    """Return a network of two hidden layers."""
    return keras.Sequential(
        [
            keras.Input(shape=(n_inputs,)),
            layers.Dense(width, activation="relu"),
            layers.Dense(width, activation="relu"),
            layers.Dense(n_outputs),
        ]
    )


def make_optimizer(network, learning_rate):
    """Return the optimizer of one of the two networks."""
    # The usual memory of Adam, 0.9, makes two opponents circle around each other.
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5)
    optimizer.build(network.trainable_variables)
    return optimizer


def step(network, optimizer, tape, loss):
    """Move the weights of one network against the gradient of its loss."""
    gradients = tape.gradient(loss, network.trainable_variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))


def cross_entropy(logits, label):
    """Return the mean cross-entropy of the discriminator's answers to one label."""
    labels = label * keras.ops.ones_like(logits)
    return keras.ops.mean(
        keras.ops.binary_crossentropy(labels, logits, from_logits=True)
    )
