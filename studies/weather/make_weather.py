"""Invent a table of plausible daily weather: SYNTHETIC, measured nowhere.

Run ``python make_weather.py`` in this folder to write synthetic_weather.csv again; the
same seed gives the same file.

A year of seasons, pressure that wanders for days at a time, humidity that rises as
pressure falls. Cloud cover follows from fronts and the season, and is not in the table;
a day's weather is read off the cover, so that no model can be right every time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

STATIONS = {
    "coast": (6.0, 2.0, 0.2),
    "valley": (10.0, 0.0, 0.0),
    "ridge": (8.0, -6.0, 0.3),
}
"""Swing of the temperature over the year and its offset (deg C), and extra cloud."""


def wander(rng: np.random.Generator, n_days: int, keeps: float) -> np.ndarray:
    """Return a wandering series of mean 0 and standard deviation 1; shape (n_days,)."""
    series = np.empty(n_days)
    series[0] = rng.normal()
    for day in range(1, n_days):
        series[day] = keeps * series[day - 1] + np.sqrt(1 - keeps**2) * rng.normal()
    return series


def make_station(rng: np.random.Generator, station: str, n_days: int) -> pd.DataFrame:
    """Invent the days of one station."""
    swing, offset, extra_cloud = STATIONS[station]
    days = pd.date_range("2022-01-01", periods=n_days)
    season = -np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 15) / 365.25)
    front = wander(rng, n_days, 0.75)
    pressure = 1014 - 7 * front + rng.normal(0, 1, n_days)
    humidity = 68 + 11 * front - 7 * season + rng.normal(0, 5, n_days)
    wind = np.exp(1.4 + 0.35 * np.abs(front) + rng.normal(0, 0.35, n_days))
    cloud = 1.1 * front - 0.5 * season + extra_cloud + rng.normal(0, 0.45, n_days)
    mean = 11 + offset + swing * season + 2.5 * wander(rng, n_days, 0.8)
    spread = np.clip(9 - 3 * cloud + rng.normal(0, 1.2, n_days), 1.5, None)
    weather = np.select([cloud > 1.35, cloud > 0.15], ["Raining", "Cloudy"], "Clear")
    table = pd.DataFrame(
        {
            "date": days.strftime("%Y-%m-%d"),
            "station": station,
            "temp_min": (mean - spread / 2).round(1),
            "temp_max": (mean + spread / 2).round(1),
            "pressure": pressure.round(1),
            "pressure_change": np.diff(pressure, prepend=pressure[0]).round(1) + 0.0,
            "humidity": np.clip(humidity, 15, 100).round(0),
            "wind": wind.round(1),
        }
    )
    # Instruments fail now and then.
    for column in ("humidity", "wind"):
        table.loc[rng.random(n_days) < 0.02, column] = np.nan
    table["weather"] = weather
    return table


def make_weather(n_days: int = 500, seed: int = 0) -> pd.DataFrame:
    """Invent ``n_days`` days of each station."""
    rng = np.random.default_rng(seed)
    return pd.concat(
        [make_station(rng, station, n_days) for station in STATIONS], ignore_index=True
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, default=Path("synthetic_weather.csv"))
    options = parser.parse_args()
    make_weather(options.days, options.seed).to_csv(options.to, index=False)
