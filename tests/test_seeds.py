"""Seeds depend on what they are for, on nothing else, and for ever."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpo.seeds import PROPOSE, TRAIN, derived_seed, generator


def test_distinct_purposes_and_paths_give_distinct_seeds():
    paths = [
        (seed, purpose, *path)
        for seed in (0, 1, 2**31)
        for purpose in (PROPOSE, TRAIN)
        for length in range(4)
        for path in itertools.product(range(5), repeat=length)
    ]
    assert len(paths) == 3 * 2 * (1 + 5 + 25 + 125)
    assert len({derived_seed(*path) for path in paths}) == len(paths)


def test_a_trailing_nought_makes_another_seed():
    seeds = {
        derived_seed(0, PROPOSE, 1, 2),
        derived_seed(0, PROPOSE, 1, 2, 0),
        derived_seed(0, PROPOSE, 1, 2, 0, 0),
        derived_seed(0, PROPOSE, 0, 1, 2),
    }
    assert len(seeds) == 4


def test_a_seed_of_a_study_is_not_the_path_of_another():
    assert derived_seed(1, 2, 3) != derived_seed(1, 3, 2)
    assert derived_seed(1, 2, 3) != derived_seed(2, 1, 3)


def test_the_same_arguments_give_the_same_numbers():
    assert derived_seed(7, PROPOSE, 3) == derived_seed(7, PROPOSE, 3)
    one, other = generator(7, PROPOSE, 3), generator(7, PROPOSE, 3)
    assert one.random(5).tolist() == other.random(5).tolist()
    assert generator(7, TRAIN, 3).random() != generator(7, PROPOSE, 3).random()


# A study that is resumed after an upgrade must go on with these.
@pytest.mark.parametrize(
    ("path", "seed"),
    [
        ((0, PROPOSE, 0), 3953331965),
        ((0, PROPOSE, 0, 0), 476252562),
        ((0, TRAIN, 0, 0), 2103646603),
        ((42, TRAIN, 17, 4), 3285946470),
    ],
)
def test_seeds_stay_what_they_are(path, seed):
    assert derived_seed(*path) == seed


def test_draws_stay_what_they_are():
    assert generator(0, PROPOSE, 0).integers(0, 1000, 4).tolist() == [
        484,
        945,
        969,
        411,
    ]


def test_seeds_are_those_of_numpys_own_way_to_spawn():
    child = np.random.SeedSequence(7).spawn(3)[TRAIN].spawn(4)[3].spawn(2)[1]
    expected = int(child.generate_state(1)[0])
    assert derived_seed(7, TRAIN, 3, 1) == expected
    drawn = np.random.default_rng(child).random(3).tolist()
    assert generator(7, TRAIN, 3, 1).random(3).tolist() == drawn


def test_a_seed_is_a_plain_int_of_32_bits():
    seeds = [derived_seed(0, TRAIN, n) for n in range(1000)]
    assert {type(seed) for seed in seeds} == {int}
    assert min(seeds) >= 0
    assert max(seeds) < 2**32
    # Uniform over the whole range: half of them above its middle, +-4 sigma.
    assert abs(sum(seed >= 2**31 for seed in seeds) - 500) <= 64


def test_a_global_generator_is_neither_used_nor_changed():
    before = str(np.random.get_state()[1:3])  # noqa: NPY002
    generator(0, PROPOSE, 0).random()
    assert str(np.random.get_state()[1:3]) == before  # noqa: NPY002
