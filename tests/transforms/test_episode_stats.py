"""Statistics of features over episodes: those of plain NumPy over all rows at once, however the rows are cut."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lapsdata.adapters.lerobot.adding import add_column
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError
from lapsdata.schema import FeatureStats
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import episode_rows, write_lerobot
from lapsdata.transforms import episode_stats as module
from lapsdata.transforms.episode_stats import Moments, episode_stats, exact_quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = tuple(QUANTILES.values())


def reference(values: NDArray[Any]) -> dict[str, list[float]]:
    """Return the statistics of rows (R, C) a number at a time, in the widest type there is; NaN of nothing finite."""
    told: dict[str, list[float]] = {kind: [] for kind in (*MOMENTS, *QUANTILES)}
    for column in values.T:
        finite = column[np.isfinite(column)].astype(np.longdouble)
        if not len(finite):
            for of in told.values():
                of.append(np.nan)
            continue
        mean = finite.mean()
        std = np.sqrt(((finite - mean) ** 2).mean())
        for kind, value in zip(MOMENTS, (finite.min(), finite.max(), mean, std), strict=True):
            told[kind].append(float(value))
        for kind, share in QUANTILES.items():
            told[kind].append(float(np.quantile(finite.astype(np.float64), share)))
    return told


def moments_of(values: NDArray[Any], cuts: list[int]) -> Moments:
    whole = Moments.none(values.shape[1])
    for part in np.split(values, cuts):
        if len(part):
            whole = whole.merged(Moments.of(part))
    return whole


NUMBERS = st.tuples(st.integers(1, 40), st.integers(1, 3)).flatmap(
    lambda shape: st.one_of(
        arrays_of.arrays(np.float32, shape, elements=st.floats(width=32)),
        arrays_of.arrays(np.float64, shape, elements=st.floats(-1e9, 1e9) | st.just(np.nan)),
        arrays_of.arrays(np.int64, shape, elements=st.integers(-(2**40), 2**40)),
        arrays_of.arrays(np.bool_, shape),
    )
)


@given(NUMBERS, st.data())
def test_parts_in_any_cut_are_the_whole(values: NDArray[Any], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=5)))
    found = moments_of(values, cuts).stats((values.shape[1],), "computed")
    wanted = reference(values)
    scale = np.abs(np.where(np.isfinite(values), values, 0).astype(np.float64)).max(axis=0)
    for kind in ("min", "max"):
        np.testing.assert_array_equal(found.array(kind), wanted[kind])
    for kind in ("mean", "std"):
        got = found.array(kind)
        assert got is not None
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted[kind]))
        off = np.abs(np.nan_to_num(got - np.array(wanted[kind])))
        # Squares of deviations below 1e-154 are less than the least number there is.
        assert (off <= 1e-14 * len(values) * scale + 1e-150).all()
    assert found.count == len(values)
    assert found.not_finite == tuple((~np.isfinite(values)).sum(axis=0).tolist())


@given(NUMBERS)
def test_quantiles_are_those_of_numpy_bit_by_bit(values: NDArray[Any]) -> None:
    for column in values.T:
        finite = column[np.isfinite(column)].astype(np.float64)
        got = exact_quantiles(column.copy(), SHARES)
        wanted = np.quantile(finite, SHARES) if len(finite) else np.full(len(SHARES), np.nan)
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("parts", [1, 7, 1000])
def test_small_deviations_around_a_large_mean_are_not_lost(parts: int) -> None:
    generator = np.random.default_rng(3)
    deviation = generator.normal(0, 1e-4, (20_000, 2))
    values = deviation + np.array([1e8, -3e7])
    stats = moments_of(values, [len(values) * part // parts for part in range(1, parts)]).stats((2,), "computed")
    wanted = reference(values)
    # A part's mean of 1e8 is held to 1.5e-8, 1.5e-4 of a deviation; the means of parts differ by some 1e-2 of one.
    np.testing.assert_allclose(stats.std, wanted["std"], rtol=1e-5)  # type: ignore[arg-type]
    np.testing.assert_allclose(stats.mean, wanted["mean"], rtol=1e-15)  # type: ignore[arg-type]
    naive = np.sqrt(np.maximum((values**2).mean(axis=0) - values.mean(axis=0) ** 2, 0))
    assert (np.abs(naive / wanted["std"] - 1) > 0.1).all(), "the plain formula fails here, so that this test tells"


def test_what_is_not_finite_is_counted_and_in_no_number() -> None:
    values = np.array([[1.0, np.nan, np.inf], [3.0, np.nan, 5.0], [np.nan, np.nan, -np.inf]])
    stats = Moments.of(values).stats((3,), "computed")
    assert stats.not_finite == (1, 3, 2)
    assert (stats.min, stats.max) == ((1.0, None, 5.0), (3.0, None, 5.0))
    assert (stats.mean, stats.std) == ((2.0, None, 5.0), (1.0, None, 0.0))


@pytest.mark.parametrize(
    "parts", [[[1e200, -1e200]], [[1e200], [-1e200]], [[1.7e308, 1.7e308]]], ids=["squares", "merged", "sum"]
)
def test_numbers_beyond_what_can_be_summed_are_refused(parts: list[list[float]]) -> None:
    values = np.concatenate([np.array(part) for part in parts])[:, None]
    with pytest.raises(SchemaError, match="number 0: expected numbers whose squares float64 can hold, got up to 1"):
        moments_of(values, [len(parts[0])])


# --- over the rows of a data set --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lerobot(tmp_path_factory.mktemp("stats") / "set", version="v3.0", lengths=(4, 9, 1, 6))


def all_rows(name: str, episodes: tuple[int, ...] = (0, 1, 2, 3)) -> NDArray[Any]:
    every = episode_rows((4, 9, 1, 6))
    return np.concatenate([every[one].columns[name] for one in episodes])


def expect_reference(stats: FeatureStats, values: NDArray[Any]) -> None:
    wanted = reference(values.reshape(len(values), -1))
    for kind, told in wanted.items():
        np.testing.assert_allclose(stats.array(kind).reshape(-1), told, rtol=1e-12, atol=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("block_bytes", [1, 200, 1 << 20])
def test_every_feature_of_numbers_in_blocks_of_any_size(
    made: Path, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS", 4)
    episodes = read_set(made).episodes
    found = episode_stats(EpisodeRows(made, episodes), episodes, block_bytes=block_bytes)
    assert list(found) == [feature.name for feature in episodes.header.features]
    for feature in episodes.header.features:
        stats = found[feature.name]
        expect_reference(stats, all_rows(feature.name))
        assert (stats.shape, stats.count) == (feature.shape, 20)
        assert (stats.origin, stats.quantiles_origin) == ("computed", "computed")
        assert FeatureStats.parse(stats.to_bytes()) == stats


def test_some_features_of_some_episodes_without_quantiles(made: Path) -> None:
    episodes = read_set(made).episodes
    rows = EpisodeRows(made, episodes)
    found = episode_stats(rows, episodes, ["action"], places=[3, 1], quantiles=False)
    assert list(found) == ["action"]
    assert found["action"].quantiles_origin is None
    assert found["action"].q50 is None
    np.testing.assert_allclose(found["action"].std, all_rows("action", (1, 3)).std(0, np.float64), rtol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@settings(max_examples=8)
@given(lost=st.tuples(*(st.lists(st.booleans(), min_size=n, max_size=n) for n in (3, 5))))
def test_rows_without_a_value_are_in_no_number(
    block_bytes: int, lost: tuple[list[bool], list[bool]], scratch: Path
) -> None:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    root = write_lerobot(folder / "set", lengths=(3, 5))
    entry = {"dtype": "int64", "shape": [2], "names": None, "info": {"nullable": True}}
    values = [np.random.default_rng(n).integers(5, 1000, (n, 2)) for n in (3, 5)]
    masks = [np.array(one) for one in lost]
    add_column(read_set(root), folder / "copy", "code", entry, dict(enumerate(zip(values, masks, strict=True))))
    episodes = read_set(folder / "copy").episodes
    stats = episode_stats(EpisodeRows(folder / "copy", episodes), episodes, ["code"], block_bytes=block_bytes)["code"]
    there = np.concatenate([one[~mask] for one, mask in zip(values, masks, strict=True)])
    assert stats.count == len(there)
    if len(there):
        expect_reference(stats, there)
    else:
        assert (stats.mean, stats.q50) == ((None, None), (None, None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["action", "words", "elsewhere"]}, "got no numbers in words, elsewhere"),
        ({"places": []}, "got no episode"),
    ],
)
def test_what_has_no_statistics_is_refused(made: Path, options: dict[str, Any], message: str) -> None:
    episodes = read_set(made).episodes
    with pytest.raises(SchemaError, match=message):
        episode_stats(EpisodeRows(made, episodes), episodes, **options)


def test_numbers_too_large_are_told_with_their_episode(made: Path, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4, 6))
    path = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("next.reward")
    for one in (path, path.with_name("episode_000000.parquet")):
        count = pq.read_table(one).num_rows
        table = pq.read_table(one).set_column(at, "next.reward", pa.array([1e200] * (count - 1) + [-1e200]))
        pq.write_table(table, one)
    episodes = read_set(root).episodes
    with pytest.raises(SchemaError, match=r"episode 0: next\.reward: number 0: expected numbers whose squares"):
        episode_stats(EpisodeRows(root, episodes), episodes)
