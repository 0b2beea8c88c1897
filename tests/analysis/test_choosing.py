"""Which trial is taken, how trials compare, and what the folds are to blame for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analysis_samples import make_record, scored_trial
from scipy import integrate, special

from hpo.analysis.choosing import chosen, standard_error
from hpo.analysis.comparing import correlation, difference, rope_of
from hpo.analysis.variance import fold_share
from hpo.records import FoldResult, Trial, judge


def sized(number, scores, n_parameters, seconds=1.0):
    folds = {
        i: FoldResult(i, score=s, n_parameters=n_parameters, fit_seconds=seconds)
        for i, s in enumerate(scores)
    }
    return judge(Trial(number, {}), folds, len(scores))


BEST = sized(0, [0.90, 0.94, 0.98], 1000)  # 0.94 with a standard error of 0.0231


def test_the_standard_error_is_that_of_the_mean_of_the_folds():
    assert standard_error(BEST) == pytest.approx(0.04 / math.sqrt(3))
    assert standard_error(sized(0, [0.9], 1)) is None


def test_by_mean_the_earliest_of_the_best_is_taken():
    trials = [sized(0, [0.5, 0.7], 1), sized(1, [0.7, 0.7], 9), sized(2, [0.7, 0.7], 1)]
    assert chosen(trials, "mean").number == 1
    assert chosen([], "mean") is None
    assert chosen([], "one-se") is None


def test_one_se_takes_the_simplest_within_a_standard_error_of_the_best():
    inside = sized(1, [0.917, 0.917, 0.917], 10)
    outside = sized(2, [0.916, 0.916, 0.916], 1)
    between = sized(3, [0.93, 0.93, 0.93], 100)
    assert chosen([BEST, inside, outside, between], "one-se").number == 1
    assert chosen([BEST, outside, between], "one-se").number == 3
    assert chosen([BEST, outside], "one-se").number == 0


def test_unknown_sizes_come_last_then_time_then_the_mean_decide():
    unknown = sized(1, [0.93] * 3, None, seconds=0.1)
    slow, fast = sized(2, [0.93] * 3, 5, 9.0), sized(3, [0.92] * 3, 5, 2.0)
    better = sized(4, [0.935] * 3, 5, 2.0)
    assert chosen([BEST, unknown], "one-se").number == 0
    assert chosen([BEST, unknown, slow], "one-se").number == 2
    assert chosen([BEST, unknown, slow, fast], "one-se").number == 3
    assert chosen([BEST, unknown, slow, fast, better], "one-se").number == 4


def test_one_se_of_random_tables_is_what_a_search_by_hand_finds():
    random = np.random.default_rng(0)
    for _ in range(50):
        table = random.normal(0.8, 0.03, size=(12, 5))
        sizes = random.permutation(12)
        trials = [sized(n, row, int(sizes[n])) for n, row in enumerate(table)]
        means = [sum(row) / 5 for row in table]
        top = means.index(max(means))
        variance = sum((x - means[top]) ** 2 for x in table[top]) / 4
        least = means[top] - math.sqrt(variance / 5)
        expected = min((sizes[n], n) for n in range(12) if means[n] >= least)[1]
        assert chosen(trials, "one-se").number == expected


def test_with_a_single_fold_one_se_goes_by_mean():
    trials = [sized(0, [0.9], 1), sized(1, [0.91], 99)]
    assert chosen(trials, "one-se").number == 1


def test_trials_that_do_not_count_are_not_taken():
    beyond = Trial(3, {}, "complete", score=1.0, beyond_stop=True)
    failed = Trial(4, {}, "failed", failure="nan")
    assert chosen([BEST, beyond, failed], "mean").number == 0


# Comparing


def posterior_share(differences, rho, low, high):
    """Integrate the density of the mean difference, written out, by quadrature."""
    n = len(differences)
    middle = sum(differences) / n
    variance = sum((d - middle) ** 2 for d in differences) / (n - 1)
    scale = math.sqrt(variance * (1 / n + rho / (1 - rho)))
    nu = n - 1
    constant = special.gamma((nu + 1) / 2) / (
        special.gamma(nu / 2) * math.sqrt(nu * math.pi) * scale
    )

    def density(x):
        return constant * (1 + ((x - middle) / scale) ** 2 / nu) ** (-(nu + 1) / 2)

    return integrate.quad(density, low, high, epsabs=1e-12)[0]


@pytest.mark.parametrize(("n", "rho"), [(5, 0.2), (10, 0.1), (30, 0.1)])
def test_probabilities_are_areas_under_the_posterior(n, rho):
    random = np.random.default_rng(n)
    one, other = random.normal(0.82, 0.03, n), random.normal(0.80, 0.03, n)
    found = difference(
        scored_trial(7, one), scored_trial(0, other), correlation=rho, rope=0.01
    )
    d = list(one - other)
    assert found.number == 7
    assert found.mean == pytest.approx(np.mean(d))
    inf = math.inf
    assert found.worse == pytest.approx(posterior_share(d, rho, -inf, -0.01), abs=1e-6)
    assert found.equal == pytest.approx(posterior_share(d, rho, -0.01, 0.01), abs=1e-6)
    assert found.better == pytest.approx(posterior_share(d, rho, 0.01, inf), abs=1e-6)
    inside = posterior_share(d, rho, found.low, found.high)
    assert inside == pytest.approx(0.95, abs=1e-6)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_a_comparison_the_other_way_round_is_its_mirror():
    one, other = scored_trial(1, [0.8, 0.9, 0.7]), scored_trial(2, [0.7, 0.8, 0.75])
    there = difference(one, other, correlation=1 / 3, rope=0.02)
    back = difference(other, one, correlation=1 / 3, rope=0.02)
    assert (there.worse, there.better) == pytest.approx((back.better, back.worse))
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.25, "better"), (0.0, "equal"), (-0.25, "worse")]
)
def test_a_difference_that_is_the_same_in_every_fold_is_certain(gap, verdict):
    one, other = scored_trial(1, [0.5 + gap] * 4), scored_trial(2, [0.5] * 4)
    found = difference(one, other, correlation=0.25, rope=0.01)
    assert (found.low, found.mean, found.high) == (gap, gap, gap)
    assert getattr(found, verdict) == 1.0
    assert found.worse + found.equal + found.better == 1.0


def test_repeating_a_cross_validation_does_not_make_equals_differ():
    # Of equal learners the plain t test calls half different at ten repeats.
    random = np.random.default_rng(2)
    k, repeats, found = 5, 10, []
    for _ in range(200):
        shared = random.normal(0, 0.02)  # of the data, in every fold alike
        d = shared + random.normal(0, 0.04, size=k * repeats)
        compared = difference(
            scored_trial(0, 0.8 + d),
            scored_trial(1, np.full(k * repeats, 0.8)),
            correlation=1 / k,
            rope=0.0,
        )
        found.append(compared.low > 0 or compared.high < 0)
    assert np.mean(found) < 0.1


def test_a_single_fold_is_not_compared():
    one, other = scored_trial(0, [0.5]), scored_trial(1, [0.6])
    assert difference(one, other, correlation=0.2, rope=0.01) is None


def test_folds_are_as_correlated_as_their_scored_share():
    assert correlation(make_record(k=5)) == pytest.approx(1 / 5)
    assert correlation(make_record(k=4, repeats=10)) == pytest.approx(1 / 4)
    in_time = correlation(make_record(k=3, split="time"))
    assert in_time == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


@pytest.mark.parametrize(
    ("metric", "best", "rope"),
    [
        ("accuracy", 0.9, 0.01),
        ("roc_auc", 0.5, 0.01),
        ("r2", 0.3, 0.01),
        ("d2_log_loss_score", 0.3, 0.01),
        ("neg_mean_squared_error", -250.0, 2.5),
        ("neg_log_loss", -0.2, 0.002),
        ("neg_loss", -3.0, 0.03),
        ("positive_likelihood_ratio", 8.0, 0.08),
    ],
)
def test_a_rope_is_a_hundredth_of_the_scale_or_of_the_best_error(metric, best, rope):
    assert rope_of(metric, best) == pytest.approx(rope)


# The folds' share


def simulated_share(of_folds, of_rest, n_trials, seed, k=10):
    random = np.random.default_rng(seed)
    table = (
        0.8
        + random.normal(0, of_folds, size=k)
        + random.normal(0, of_rest, size=(n_trials, k))
    )
    return fold_share([scored_trial(n, row) for n, row in enumerate(table)])


def test_the_share_of_the_folds_is_found_again():
    truth = 0.03**2 / (0.03**2 + 0.02**2)
    shares = [simulated_share(0.03, 0.02, 60, seed) for seed in range(40)]
    assert np.mean(shares) == pytest.approx(truth, abs=0.05)
    nothing = [simulated_share(0.0, 0.02, 60, seed) for seed in range(40)]
    assert np.mean(nothing) < 0.03


def test_how_much_trials_differ_as_a_whole_is_no_part_of_the_share_of_the_folds():
    random = np.random.default_rng(4)
    table = random.normal(0, 0.03, size=5) + random.normal(0, 0.02, size=(3, 5))
    near = fold_share([scored_trial(n, row) for n, row in enumerate(table)])
    apart = [scored_trial(n, row + 100 * n) for n, row in enumerate(table)]
    assert 0 < near < 1
    assert fold_share(apart) == pytest.approx(near, abs=1e-9)


def test_only_the_better_half_tells_the_share_of_the_folds():
    folds = [0.0, 0.1, 0.2, 0.3]
    good = [scored_trial(n, [0.6 + n / 100 + f for f in folds]) for n in range(3)]
    random = np.random.default_rng(3)
    bad = [scored_trial(3 + n, random.uniform(0, 0.5, 4)) for n in range(3)]
    assert fold_share([*good, *bad]) == pytest.approx(1.0)


def test_too_few_trials_or_folds_have_no_share():
    rows = [[0.5, 0.6], [0.4, 0.7], [0.6, 0.9]]
    trials = [scored_trial(n, row) for n, row in enumerate(rows)]
    assert fold_share(trials) is not None
    assert fold_share(trials[:2]) is None
    assert fold_share([scored_trial(n, [0.1 * n]) for n in range(5)]) is None
    assert fold_share([scored_trial(n, [0.5, 0.5]) for n in range(5)]) is None
