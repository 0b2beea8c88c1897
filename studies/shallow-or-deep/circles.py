"""Two rings, one inside the other: as they are, and with the feature made for them.

Each function returns the same points in the same order, so that scores can be compared.
The rings overlap: some points lie nearer to the other ring than to their own, and no
network can know.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.datasets import make_circles


def raw(
    n_samples: int = 600, factor: float = 0.5, noise: float = 0.15, seed: int = 0
) -> pd.DataFrame:
    """Return the points as they are: where each one lies."""
    points, is_inner = make_circles(
        n_samples, factor=factor, noise=noise, random_state=seed
    )
    table = pd.DataFrame(points, columns=["x", "y"])
    table["ring"] = np.where(is_inner, "inner", "outer")
    return table


def engineered(
    n_samples: int = 600, factor: float = 0.5, noise: float = 0.15, seed: int = 0
) -> pd.DataFrame:
    """Return how far from the centre each point lies: all that tells them apart."""
    table = raw(n_samples, factor, noise, seed)
    return pd.DataFrame({"radius": np.hypot(table.x, table.y), "ring": table.ring})
