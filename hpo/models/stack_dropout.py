"""Dropout of a stack of networks, each by its own stream of random words.

Whether a neuron is dropped is a hash, so that it depends on nothing else in the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def places(weights: Any, order: Any, batch_norm: bool) -> list[Any]:
    """Return a random word for each output of each hidden layer, (K, batch, width).

    It depends on layer, row and neuron only, not on what else is in the stack or how
    wide it is filled up.
    """
    from keras import ops

    _, n_networks, n_rows = ops.shape(order)
    rows = ops.cast(ops.arange(n_rows), "uint32")[:, None] * _word(2**16)
    words = []
    for layer, kernel in enumerate(weights[: -2 : 3 if batch_norm else 2]):
        width = ops.shape(kernel)[-1]
        place = rows + ops.cast(ops.arange(width), "uint32")[None, :]
        word = _hashed(_hashed(place) + _word(layer))
        # Laid out in full, once: stretching it at every step takes longer.
        words.append(ops.tile(word[None], (n_networks, 1, 1)))
    return words


def dropped(X: Any, data: Any, step: Any, place: Any) -> Any:
    """Drop outputs and scale up the rest, each network by its own stream.

    Whether a neuron is dropped is a hash of seed, update, layer, row and neuron: the
    same on any backend and in any stack.

    Source:
        N. Srivastava et al., "Dropout", JMLR 15, 2014 (inverted, as in Keras).
    """
    from keras import ops

    stream = _hashed(data["seed"] + _hashed(ops.cast(step, "uint32")))
    word = _half_hashed(ops.bitwise_xor(place, stream[:, None, None]))
    kept = ops.cast(word >= data["drop"], "float32")
    return X * (kept * data["scale"])


def _hashed(word: Any) -> Any:
    """Mix 32-bit words so that every bit of one decides over every bit of the other.

    Source:
        C. Wellons, "Prospecting for Hash Functions", 2018 (lowbias32).
    """
    from keras import ops

    word = _half_hashed(ops.bitwise_xor(word, ops.right_shift(word, _word(16))))
    return ops.bitwise_xor(word, ops.right_shift(word, _word(16)))


def _half_hashed(word: Any) -> Any:
    """Do the middle of `_hashed`: enough for high bits of words already random."""
    from keras import ops

    word = word * _word(0x7FEB352D)
    word = ops.bitwise_xor(word, ops.right_shift(word, _word(15)))
    return word * _word(0x846CA68B)


def _word(number: int) -> Any:
    import numpy as np
    from keras import ops

    return ops.convert_to_tensor(np.uint32(number))


def dropout_data(rates: Any) -> Mapping[str, NDArray[Any]]:
    """Return ``drop``, below which hashes are dropped, and ``scale`` for the rest."""
    import numpy as np

    rates = np.asarray(rates, "float64").reshape(-1, 1, 1)
    return {
        "drop": np.round(rates * 2.0**32).clip(0, 2**32 - 1).astype("uint32"),
        "scale": (1.0 / (1.0 - rates)).astype("float32"),
    }
