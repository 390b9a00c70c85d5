"""Statistics against scipy's and the textbook's, plain counts, and clusters whose true mean is known."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp

from rope_lib import findings


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlations_are_scipys_and_the_textbooks(ties):
    random = np.random.default_rng(2)
    given = random.normal(size=200)
    x, y = given + random.normal(size=200), np.exp(given + random.normal(size=200))
    if ties:
        x, y, given = np.round(x), np.round(y), np.round(given)
    xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, given), (y, given)))
    assert findings.stats.spearman(x, y) == pytest.approx(xy)
    partial = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert findings.stats.partial_spearman(x, y, given) == pytest.approx(partial)
    assert xy > 0.35 > 0.2 > abs(partial)  # all that the two share is what is given


def test_a_correlation_with_what_does_not_vary_is_not_a_number():
    assert np.isnan(findings.stats.spearman([1, 2, 3], [7, 7, 7]))
    assert np.isnan(findings.stats.partial_spearman([7, 7, 7], [1, 2, 3], [2, 1, 3]))
    assert np.isnan(findings.stats.partial_spearman([1, 2, 3], [2, 1, 3], [10, 20, 30]))


def test_a_paired_test_is_students():
    values = np.random.default_rng(2).normal(0.5, 1, 6)
    assert findings.stats.student_p(values) == pytest.approx(ttest_1samp(values, 0).pvalue)
    with pytest.raises(ValueError, match="values must be at least 2 differences, got 1"):
        findings.stats.student_p([1.0])


def test_holm_rejects_what_stepping_down_rejects():
    for seed in range(20):
        chances = np.random.default_rng(seed).uniform(0, 0.1, 4)
        rejected, order = np.zeros(4, bool), np.argsort(chances)
        for rank, place in enumerate(order):
            if chances[place] * (4 - rank) >= 0.05:
                break
            rejected[place] = True
        assert ((findings.stats.holm(chances) < 0.05) == rejected).all()


def test_what_is_told_from_chance_counts_all_orders():
    orders = [spearmanr(order, range(6)).statistic for order in itertools.permutations(range(6))]
    least = findings.stats.least_told(6)
    assert np.mean(np.array(orders) >= least - 1e-9) <= 0.025
    below = max(value for value in orders if value < least - 1e-9)
    assert np.mean(np.array(orders) >= below - 1e-9) > 0.025


def clustered(random, clusters=30, size=6):
    """Rows of mean 0 whose clusters each share one normal number, beside their own; and their clusters."""
    labels = np.repeat(np.arange(clusters), size)
    return random.normal(size=clusters)[labels] + random.normal(size=labels.size), labels


def test_intervals_hold_the_truth_as_often_as_they_say_and_those_of_single_rows_do_not():
    random, hits = np.random.default_rng(3), np.zeros(2)
    for _ in range(200):
        values, labels = clustered(random)
        for index, rows in enumerate((labels, np.arange(labels.size))):
            mean, low, high = findings.stats.clustered_interval(np.mean, [values], rows, draws=150)
            assert mean == values.mean()
            hits[index] += low <= 0 <= high
    assert 0.90 <= hits[0] / 200 <= 0.98
    assert hits[1] / 200 < 0.75


def test_the_interval_is_as_wide_as_shared_noise_makes_it():
    values, labels = clustered(np.random.default_rng(4), clusters=300)
    _, low, high = findings.stats.clustered_interval(np.mean, [values], labels)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt((1 + 1 / 6) / 300), rel=0.15)
    draws = np.random.default_rng(5).choice(values, (1_000, values.size)).mean(axis=1)
    assert high - low > 1.5 * np.diff(np.quantile(draws, [0.025, 0.975]))


def test_whole_clusters_are_drawn_and_rows_keep_together():
    seen = []

    def statistic(x, y):
        seen.append(sorted(zip(x.tolist(), y.tolist(), strict=True)))
        return x.mean()

    x, y, labels = [0, 8, 1, 2], [5, 6, 7, 8], ["a", "b", "a", "a"]
    found = findings.stats.clustered_interval(statistic, [x, y], labels, draws=100)
    a, b = [(0, 5), (1, 7), (2, 8)], [(8, 6)]
    possible = [sorted(rows) for rows in (a + a, a + b, b + b)]
    assert all(rows in possible for rows in seen[:-1])
    assert all(rows in seen for rows in possible)
    assert found == (2.75, 1.0, 8.0)


def test_an_interval_is_the_same_for_the_same_seed_and_leaves_out_draws_that_are_no_number():
    values, labels = clustered(np.random.default_rng(6))
    first, again, other = (
        findings.stats.clustered_interval(np.mean, [values], labels, draws=100, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first[1:] != other[1:]
    two = findings.stats.clustered_interval(
        findings.stats.spearman, [[1, 2, 5], [3, 4, 4]], [0, 1, 1], draws=50
    )
    assert np.isfinite(two).all()  # drawing the second cluster twice gives no correlation


def test_intervals_draw_whole_clusters():
    values, clusters = [0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1]
    assert findings.stats.mean_interval(values, clusters) == (0.5, 0.0, 1.0)


def test_the_interval_holds_the_mean_and_narrows_with_the_heads():
    values = np.random.default_rng(1).normal(size=400)
    mean, low, high = findings.stats.bootstrap_interval(values)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    _, few_low, few_high = findings.stats.bootstrap_interval(values[:25])
    assert few_high - few_low > 2 * (high - low)


def test_the_interval_is_students():
    values = np.random.default_rng(1).normal(size=3)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert findings.stats.student_interval(values)[1:] == pytest.approx((expected.low, expected.high))
    with pytest.raises(ValueError, match="values must be at least 2 differences, got 1"):
        findings.stats.student_interval([0.1])


def test_calibration_counts_all_four_ways():
    works, margin = [True, True, False, False, False], [2.0, 0.5, 1.0, 0.5, 0.1]
    found = findings.stats.calibration(works, margin)
    assert [found[name] for name in ("works_right", "fails_wrong", "works_wrong", "fails_right")] == [
        1,
        1,
        1,
        2,
    ]
    assert found["wrong_below"] == pytest.approx(1 / 3)
    assert found["wrong_above"] == 0.5
    assert found["balanced"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert np.isnan(findings.stats.calibration([True], [2.0])["balanced"])
    assert np.isnan(findings.stats.calibration([True], [2.0])["wrong_below"])


def test_where_all_work_nothing_can_be_ranked():
    assert np.isnan(findings.stats.ranking([True, True], [1.0, 2.0]))
    assert np.isnan(findings.stats.best_constant([True, True], [1.0, 2.0])).all()


def test_ranking_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    works, margin = random.random(40) < 0.5, random.integers(0, 9, 40)
    pairs = [(a > b) + (a == b) / 2 for a in margin[works] for b in margin[~works]]
    assert findings.stats.ranking(works, margin) == pytest.approx(np.mean(pairs))
