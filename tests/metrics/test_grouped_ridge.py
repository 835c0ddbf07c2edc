"""Ridge by groups held out as a whole: scikit-learn's answers, no leak, and columns that would explode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics.grouped_ridge import HeldOut, deal_groups, grouped_ridge, held_out_r2

GROUPS = np.repeat(np.arange(4), [30, 25, 41, 18])


def problem(seed: int = 0, columns: int = 6, noise: float = 0.3) -> tuple[Any, Any]:
    """Return features and two quantities that are linear in them, but for noise."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((len(GROUPS), columns)) * random.uniform(0.5, 2, columns) + 3
    weight = random.standard_normal((columns, 2))
    return features, features @ weight + noise * random.standard_normal((len(GROUPS), 2))


def of_scikit(features: Any, target: Any, strength: float) -> Any:
    """Return scikit-learn's predictions of each group by the others."""
    found = np.empty_like(target)
    for train, test in LeaveOneGroupOut().split(features, groups=GROUPS):
        model = make_pipeline(StandardScaler(), Ridge(alpha=strength * len(train), solver="svd"))
        found[test] = model.fit(features[train], target[train]).predict(features[test])
    return found


@pytest.mark.parametrize("columns", [1, 6, 200])
@pytest.mark.parametrize("strength", [1e-3, 1.0, 50.0])
def test_one_strength_predicts_as_scikit_learn_does(columns: int, strength: float) -> None:
    """200 columns are more than there are rows to learn from: the other decomposition."""
    features, target = problem(columns=columns)
    found = grouped_ridge(features, target[None], GROUPS, strengths=[strength], least_spread=0)
    np.testing.assert_allclose(found.predicted[0], of_scikit(features, target, strength), rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(found.strength, np.full((4, 1), strength))


def test_r2_is_told_against_the_mean_of_what_was_learned_from() -> None:
    features, target = problem()
    found = grouped_ridge(features, target[None], GROUPS, strengths=[1.0])
    errors, of_mean = np.zeros(2), np.zeros(2)
    for train, test in LeaveOneGroupOut().split(features, groups=GROUPS):
        errors += ((target[test] - of_scikit(features, target, 1.0)[test]) ** 2).sum(axis=0)
        of_mean += ((target[test] - target[train].mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(held_out_r2(target[None], found)[0], 1 - errors / of_mean, rtol=1e-9)


def test_the_strength_is_chosen_by_groups_that_are_learned_from_as_a_grid_search_chooses() -> None:
    features, target = problem(noise=6.0, columns=40)
    # The same number of rows in each group: scikit-learn weighs folds alike, and its alpha is not per row.
    groups, rows = np.repeat(np.arange(4), 25), 100
    strengths = [0.01, 0.1, 1.0, 10.0]
    one = target[:rows, :1]
    found = grouped_ridge(features[:rows], one[None], groups, strengths=strengths, least_spread=0)
    for group in range(4):
        train = groups != group
        pipe = make_pipeline(StandardScaler(), Ridge())
        grid = {"ridge__alpha": [strength * 50 for strength in strengths]}
        search = GridSearchCV(pipe, grid, scoring="neg_mean_squared_error", cv=LeaveOneGroupOut())
        search.fit(features[:rows][train], one[train], groups=groups[train])
        assert found.strength[group, 0] * 50 == pytest.approx(search.best_params_["ridge__alpha"])


@given(st.lists(st.integers(1, 60), min_size=2, max_size=12, unique=True), st.data())
def test_groups_are_dealt_as_scikit_learn_deals(rows: list[int], data: st.DataObject) -> None:
    folds = data.draw(st.integers(2, len(rows)))
    group = np.repeat(np.arange(len(rows)), rows)
    dealt = deal_groups(rows, folds)
    theirs = [set(group[test]) for _, test in GroupKFold(folds).split(group, groups=group)]
    assert {frozenset(np.flatnonzero(dealt == fold)) for fold in range(folds)} == set(map(frozenset, theirs))


def test_a_known_linear_relation_is_found() -> None:
    features, target = problem(noise=0.0)
    found = grouped_ridge(features, target[None], GROUPS)
    assert (held_out_r2(target[None], found) > 0.9999).all()


def test_a_feature_that_names_the_group_gives_nothing() -> None:
    """Each group has an offset of its own: telling groups apart is all there is to learn, and no fold can use it."""
    random = np.random.default_rng(3)
    # Of one size, so that the mean over groups is the mean over rows, and no luck plays a part.
    groups = np.repeat(np.arange(4), 25)
    target = np.array([-4.0, 1.0, 5.0, 0.5])[groups][:, None] + 0.1 * random.standard_normal((100, 1))
    names = (groups[:, None] == np.arange(4)).astype(float)
    found = grouped_ridge(names, target[None], groups)
    assert held_out_r2(target[None], found)[0, 0] < 1e-6
    rows = np.arange(100) % 4
    leaking = grouped_ridge(names, target[None], rows)
    assert held_out_r2(target[None], leaking)[0, 0] > 0.9


def test_held_out_rows_play_no_part_in_what_is_learned() -> None:
    features, target = problem()
    last = GROUPS == 3
    changed, other = features.copy(), target.copy()
    changed[last], other[last] = 100 * features[last] + 7, -50.0
    before = grouped_ridge(features, target[None], GROUPS, folds=4)
    after = grouped_ridge(changed, other[None], GROUPS, folds=4)
    fold = int(deal_groups([30, 25, 41, 18], 4)[3])
    assert before.strength[fold] == after.strength[fold]
    np.testing.assert_array_equal(before.mean[0, last], after.mean[0, last])


def test_border_columns_that_stand_still_until_they_are_held_out_do_not_explode() -> None:
    """Regression: plain standardisation of GR00T's flow gave an R² of -9,660."""
    features, target = problem(columns=6)
    random = np.random.default_rng(5)
    still = 1e-7 * random.standard_normal((len(GROUPS), 3))
    still[GROUPS == 3] = random.standard_normal((18, 3))
    bordered = np.concatenate([features, still, np.full((len(GROUPS), 1), 0.1)], axis=1)
    plain = of_scikit(bordered, target, 1.0)
    of_plain = HeldOut(plain[None], np.broadcast_to(target.mean(axis=0), target.shape)[None], *[None] * 3)  # type: ignore[arg-type]
    assert (held_out_r2(target[None], of_plain) < -1000).all()
    found = grouped_ridge(bordered, target[None], GROUPS, strengths=[1.0])
    without = grouped_ridge(features, target[None], GROUPS, strengths=[1.0])
    fold = deal_groups([30, 25, 41, 18], 4)
    # The fold that holds group 3 out leaves out all four; in others the borders vary.
    assert found.left_out[fold[3]] == 4
    assert (np.delete(found.left_out, fold[3]) == 1).all()
    np.testing.assert_allclose(found.predicted[0, GROUPS == 3], without.predicted[0, GROUPS == 3])
    assert (held_out_r2(target[None], found) > 0.4).all()


def test_columns_of_another_unit_are_not_compared() -> None:
    features, target = problem(columns=2)
    features[:, 1] *= 1e-4
    alike = grouped_ridge(features, target[None], GROUPS, strengths=[1.0])
    apart = grouped_ridge(features, target[None], GROUPS, strengths=[1.0], unit=np.arange(2))
    assert alike.left_out.tolist() == [1] * 4
    assert apart.left_out.tolist() == [0] * 4


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.integers(0, 1000))
@settings(max_examples=25)
def test_neither_unit_nor_origin_of_features_matters(scale: float, shift: float, seed: int) -> None:
    features, target = problem(seed)
    found = grouped_ridge(features, target[None], GROUPS, strengths=[0.1])
    other = grouped_ridge(features * scale + shift * scale, target[None], GROUPS, strengths=[0.1])
    np.testing.assert_allclose(other.predicted, found.predicted, rtol=1e-5, atol=1e-5)


def test_missing_values_stand_at_the_mean_of_what_is_learned_from() -> None:
    features, target = problem()
    holes = features.copy()
    holes[np.random.default_rng(1).random(features.shape) < 0.2] = np.nan
    found = grouped_ridge(holes, target[None], GROUPS, strengths=[1.0], least_spread=0)
    assert found.missing == np.isnan(holes).sum() > 0
    train = GROUPS != 3
    centre, spread = np.nanmean(holes[train], axis=0), np.nanstd(holes[train], axis=0)
    ready = np.nan_to_num((holes - centre) / spread, nan=0.0)
    model = Ridge(alpha=train.sum()).fit(ready[train], target[train])
    np.testing.assert_allclose(found.predicted[0, ~train], model.predict(ready[~train]), rtol=1e-6)


def test_without_a_column_that_varies_the_mean_is_predicted() -> None:
    _, target = problem()
    empty = np.full((len(GROUPS), 2), [np.nan, 3.0])
    found = grouped_ridge(empty, target[None], GROUPS)
    assert found.left_out.tolist() == [2] * 4
    np.testing.assert_array_equal(held_out_r2(target[None], found), [[0, 0]])


def test_targets_are_judged_each_by_itself() -> None:
    features, target = problem()
    other = np.random.default_rng(9).standard_normal(target.shape)
    both = grouped_ridge(features, np.stack([target, other]), GROUPS)
    for at, one in enumerate((target, other)):
        alone = grouped_ridge(features, one[None], GROUPS)
        np.testing.assert_allclose(both.predicted[at], alone.predicted[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(both.strength[:, at], alone.strength[:, 0])
    # What nothing can be learned of takes the strongest ridge or near it, and is not above the mean.
    assert held_out_r2(np.stack([target, other]), both)[1].mean() < 0.05


def test_a_quantity_that_stands_still_has_no_r2() -> None:
    features, target = problem()
    target[:, 1] = 0.7
    found = grouped_ridge(features, target[None], GROUPS)
    assert np.isnan(held_out_r2(target[None], found)[0, 1])
    assert held_out_r2(target[None], found)[0, 0] > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": np.zeros(114, np.int64)}, "expected at least two groups, of which one is held out, got 1"),
        ({"group": GROUPS // 2}, "expected a third group"),
        ({"features": np.full((114, 6), np.inf)}, "expected finite targets, and features that are finite or NaN"),
        ({"targets": np.full((1, 114, 2), np.nan)}, "expected finite targets"),
        ({"strengths": [0.0, 1.0]}, "expected numbers above 0"),
        ({"strengths": []}, "expected numbers above 0"),
        ({"folds": 1}, "expected 2 to 4 folds of 4 groups, got 1"),
    ],
)
def test_what_cannot_be_judged_is_refused(change: dict[str, Any], message: str) -> None:
    features, target = problem()
    given: dict[str, Any] = {"features": features, "targets": target[None], "group": GROUPS} | change
    with pytest.raises(SchemaError, match=message):
        grouped_ridge(given.pop("features"), given.pop("targets"), given.pop("group"), **given)


def test_two_groups_and_one_strength_will_do() -> None:
    features, target = problem(noise=0.0)
    found = grouped_ridge(features, target[None], GROUPS // 2, strengths=[1e-6])
    assert (held_out_r2(target[None], found) > 0.999).all()


def test_other_numbers_of_rows_are_refused() -> None:
    features, target = problem()
    with pytest.raises(LengthMismatchError, match="got 113 of features, 114 of targets, 114 of group"):
        grouped_ridge(features[1:], target[None], GROUPS)


@given(st.integers(0, 500))
@settings(max_examples=15)
def test_neither_the_order_of_rows_nor_of_columns_matters(seed: int) -> None:
    features, target = problem(seed)
    random = np.random.default_rng(seed)
    rows, columns = random.permutation(len(GROUPS)), random.permutation(features.shape[1])
    found = grouped_ridge(features, target[None], GROUPS)
    other = grouped_ridge(features[rows][:, columns], target[rows][None], GROUPS[rows])
    np.testing.assert_allclose(other.predicted[0], found.predicted[0][rows], rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(other.strength, found.strength)


@given(st.floats(0.01, 100), st.floats(-50, 50))
@settings(max_examples=15)
def test_r2_knows_neither_unit_nor_origin_of_the_target(scale: float, shift: float) -> None:
    features, target = problem()
    one = held_out_r2(target[None], grouped_ridge(features, target[None], GROUPS))
    moved = (target * scale + shift)[None]
    np.testing.assert_allclose(held_out_r2(moved, grouped_ridge(features, moved, GROUPS)), one, rtol=1e-6)


def test_the_strongest_ridge_predicts_the_mean_and_is_nothing() -> None:
    features, target = problem()
    found = grouped_ridge(features, target[None], GROUPS, strengths=[1e12])
    np.testing.assert_allclose(found.predicted, found.mean, atol=1e-8)
    np.testing.assert_allclose(held_out_r2(target[None], found), 0, atol=1e-8)


def test_groups_that_are_dealt_into_fewer_folds_are_held_out_together() -> None:
    features, target = problem()
    two = grouped_ridge(features, target[None], GROUPS, strengths=[0.5], folds=2, least_spread=0)
    fold = deal_groups([30, 25, 41, 18], 2)
    for number in range(2):
        held_out = fold[GROUPS] == number
        pipe = make_pipeline(StandardScaler(), Ridge(alpha=0.5 * (~held_out).sum()))
        expected = pipe.fit(features[~held_out], target[~held_out]).predict(features[held_out])
        np.testing.assert_allclose(two.predicted[0, held_out], expected, rtol=1e-7)
        np.testing.assert_allclose(two.mean[0, held_out], np.tile(target[~held_out].mean(axis=0), (held_out.sum(), 1)))


def test_r2_of_some_rows_is_of_these_alone() -> None:
    features, target = problem()
    found = grouped_ridge(features, target[None], GROUPS, strengths=[1.0])
    last = GROUPS == 3
    errors = ((target - found.predicted[0])[last] ** 2).sum(axis=0)
    of_mean = ((target[last] - target[~last].mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(held_out_r2(target[None], found, last)[0], 1 - errors / of_mean)
    changed = target.copy()
    changed[~last] += 5
    np.testing.assert_array_equal(held_out_r2(changed[None], found, last), held_out_r2(target[None], found, last))
