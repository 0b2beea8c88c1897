"""A heater with a controller: an objective that trains nothing.

A room of 10 degrees is to become and stay 20. A thermometer, which is never quite
right, is read every ten seconds for half an hour, and a controller sets the power of
the heater from the error e = 20 - reading:

    power = p * e + i * (sum of e so far) + d * (change of e)          from 0 to 2000 W

Good p, i and d make the room warm soon, without overshooting. What the thermometer and
the weather do is random, so each fold is another half hour, and a trial is judged by
the mean of them.
"""

import random

TARGET, OUTSIDE = 20.0, 5.0  # degrees Celsius
STEP_SECONDS, N_STEPS = 10, 180
MAX_POWER = 2000.0  # watts
CAPACITY = 40_000.0  # joules that warm the room by one degree
LOSS = 60.0  # watts lost for each degree that the room is warmer than outside


def discomfort(params, fold):
    """Return the mean distance from 20 degrees over half an hour, in degrees."""
    rng = random.Random(fold.seed)
    room, outside, total, before = 10.0, OUTSIDE, 0.0, None
    distances = []
    for _ in range(N_STEPS):
        error = TARGET - (room + rng.gauss(0, 0.2))
        change = 0.0 if before is None else error - before
        power = params["p"] * error + params["i"] * total + params["d"] * change
        power = min(max(power, 0.0), MAX_POWER)
        if 0 < power < MAX_POWER:
            total += error  # not while the heater is at a limit: the sum would run away
        before = error
        outside += rng.gauss(0, 0.2)
        room += (power - LOSS * (room - outside)) * STEP_SECONDS / CAPACITY
        distances.append(abs(TARGET - room))
    return sum(distances) / N_STEPS
