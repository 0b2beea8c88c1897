"""Two spirals wound around each other: as they are, and with features made for them.

Each function returns the same points in the same order, so that scores can be compared.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_points(n_samples: int, turns: float, noise: float, seed: int) -> pd.DataFrame:
    """Draw points of two spirals; columns x, y and arm."""
    rng = np.random.default_rng(seed)
    n_each = n_samples // 2
    # Even along the arm rather than in the angle: the square root does that.
    angle = 2 * np.pi * turns * np.sqrt(rng.uniform(0.02, 1, (2, n_each)))
    radius = angle / (2 * np.pi * turns)
    angle[1] += np.pi
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    points += rng.normal(0, noise, points.shape)
    table = pd.DataFrame(points.reshape(-1, 2), columns=["x", "y"])
    table["arm"] = np.repeat(["left", "right"], n_each)
    return table.sample(frac=1, random_state=seed, ignore_index=True)


def raw(
    n_samples: int = 600, turns: float = 2.5, noise: float = 0.02, seed: int = 0
) -> pd.DataFrame:
    """Return the points as they are: where each one lies."""
    return make_points(n_samples, turns, noise, seed)


def engineered(
    n_samples: int = 600, turns: float = 2.5, noise: float = 0.02, seed: int = 0
) -> pd.DataFrame:
    """Return what somebody who knows spirals would measure.

    Along an arm the angle grows with the radius. Turned back by as much, each arm comes
    to lie on a ray of its own, which a straight line tells from the other.
    """
    table = make_points(n_samples, turns, noise, seed)
    radius = np.hypot(table.x, table.y)
    left_over = np.arctan2(table.y, table.x) - 2 * np.pi * turns * radius
    return pd.DataFrame(
        {
            "radius": radius,
            "cosine": np.cos(left_over),
            "sine": np.sin(left_over),
            "arm": table.arm,
        }
    )
