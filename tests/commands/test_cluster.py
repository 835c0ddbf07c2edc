"""The verb `cluster`: a table beside controls, JSON, segments with embeddings, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Segments
from lapsdata.schema import ClusterResult
from lapsdata.testing.samples import sample_segments, sample_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ran = tuple[int | str | None, str, str]
    Verb = Callable[..., Ran]


@pytest.fixture
def cluster(inside: Verb) -> Verb:
    """Run the verb in this process."""
    return lambda *arguments: inside("cluster", *arguments)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """Return a folder with the tokens of two videos."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    for number in range(2):
        made = sample_tokens(windows=40, latent=3, seed=number)
        video = made.header.video.model_copy(update={"name": f"clip_{number}"})
        named = replace(made, header=made.header.model_copy(update={"video": video}))
        lapsdata.write(folder / f"clip_{number}.zarr", named)
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    lapsdata.write(tmp_path / "truth.parquet", sample_segments())
    return tmp_path / "truth.parquet"


def test_a_table_stands_beside_controls_and_the_result_is_kept(cluster: Verb, tokens: Path, tmp_path: Path) -> None:
    words = (tokens, "--piece", "0.5", "--clusters", "3", "--out", tmp_path / "out")
    code, out, err = cluster(*words)
    assert code == 0
    assert out.splitlines()[0] == "18 sequences of 2 videos, 2 to 5 codes, median 5"
    assert [line.split()[0] for line in out.splitlines()[-4:-1]] == ["mean", "duration", "random_projection"]
    assert out.splitlines()[-1].startswith("No labels: nothing here says what the clusters mean")
    assert "2 shorter pieces" in out
    assert "clusters.png shows them" in err
    before = (tmp_path / "out" / "result.json").stat().st_mtime_ns
    assert cluster(*words)[1] == out
    assert (tmp_path / "out" / "result.json").stat().st_mtime_ns == before


def test_json_is_the_record(cluster: Verb, tokens: Path, truth: Path, tmp_path: Path) -> None:
    code, out, _ = cluster(tokens, "--segments", truth, "--clusters", "2", "--model", "bag", "--out", tmp_path / "out",
                           "--json")  # fmt: skip
    assert code == 0
    document = json.loads(out)
    assert document.pop("problems") == []
    told = ClusterResult.parse(json.dumps(document))
    assert [row.name for row in told.rows] == ["bag", "duration", "random_projection", "labels_permuted"]
    assert told.rows[0].with_noise.labelled == 2
    assert told.sequences == 3


def test_embed_only_writes_segments(cluster: Verb, tokens: Path, truth: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.parquet"
    code, out, _ = cluster(tokens, "--segments", truth, "--embed-only", "--model", "attn_norm", "--out", target)
    assert (code, out.split()[-1]) == (0, "made")
    found = lapsdata.read(target)
    assert isinstance(found, Segments)
    assert found.embedding is not None
    assert found.embedding.shape == (3, 3)
    assert found.label == sample_segments().label
    assert json.loads(cluster(tokens, "--segments", truth, "--embed-only", "--out", target, "--model", "attn_norm",
                              "--json")[1])["done"] == "kept"  # fmt: skip


def test_an_encoder_is_a_model_too(cluster: Verb, tokens: Path, tmp_path: Path) -> None:
    assert cluster(tokens, "--piece", "0.5", "--model", "lstm", "--epochs", "1", "--val", "none", "--clusters", "2",
                   "--out", tmp_path / "out")[0] == 0  # fmt: skip
    code, _, _ = cluster(tokens, "--piece", "0.5", "--model", tmp_path / "out", "--embed-only", "--out",
                         tmp_path / "made.parquet")  # fmt: skip
    assert code == 0
    found = lapsdata.read(tmp_path / "made.parquet")
    assert isinstance(found, Segments)
    assert found.embedding is not None
    assert np.isfinite(found.embedding).all()
    assert found.embedding.shape == (18, 256)


def test_codes_of_laps_want_a_rate(cluster: Verb, tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "codes" / ("pick", "place")[number % 2] / f"segment_{number}.codes.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"codes_windows": [[number % 2, 2]], "segment": {"start_frame": 0, "end_frame": number}})
        )
    words = (tmp_path / "codes", "--model", "bag", "--clusters", "2", "--out", tmp_path / "out")
    code, _, err = cluster(*words)
    assert code == 1
    assert "give --rate as it was run" in " ".join(err.split())
    code, out, err = cluster(*words, "--rate", "7.5")
    assert code == 0
    assert "bag by kmeans, clusters by given, 2 labels" in out
    assert "6 of 6 files do not say which video they are of" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--val", "some"), "expected a share above 0 and below 1, or `none`, got 'some'"),
        (("--val", "2"), "val"),
        (("--model", "nowhere"), "or the folder of an encoder, got 'nowhere'"),
        (("--clusterer", "hdbscan", "--clusters", "3"), "expected none with hdbscan"),
        (("--activity", "x("), "expected a regular expression"),
        (("--rate", "fast"), "rate"),
    ],
)
def test_what_is_refused(cluster: Verb, tokens: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    code, _, err = cluster(tokens, "--piece", "0.5", "--out", tmp_path / "out", *words)
    assert code in (1, 2)
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_number_of_clusters_at_its_bound_is_told(cluster: Verb, tokens: Path, tmp_path: Path) -> None:
    words = (tokens, "--piece", "0.5", "--most-clusters", "2", "--out", tmp_path / "out")
    code, out, _ = cluster(*words)
    assert code == 0
    assert "2 clusters are the most that were tried: look further with --most-clusters" in out
    assert "the most that were tried" not in cluster(*words[:3], "--clusters", "2", "--out", tmp_path / "two")[1]


def test_a_model_that_is_none_is_wrong_usage(cluster: Verb, tokens: Path, tmp_path: Path) -> None:
    code, _, err = cluster(tokens, "--model", "nonsense", "--out", tmp_path / "out")
    assert code == 2
    assert "expected bag, mean, attn_norm, lstm" in " ".join(err.replace("│", " ").split())


def test_segments_with_codes_tell_them_in_one_line(cluster: Verb, tokens: Path, tmp_path: Path) -> None:
    words = (tokens, "--piece", "0.5", "--embed-only", "--model", "bag", "--out", tmp_path / "one.parquet")
    code, out, _ = cluster(*words)
    assert code == 0
    assert "int32, 2 to 5 of each segment" in out
    assert "codes[0]" not in out
