"""The stage: files in, a folder with clusters, scores and pictures out, or segments with embeddings; kept when done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.containers import Segments
from lapsdata.errors import CorruptDataError, LapsWarning, MissingExtraError, SchemaError, StorageError
from lapsdata.schema import ClusterResult
from lapsdata.storage.sealed_json import read_sealed_json
from lapsmodels.stages.cluster import ClusterOptions, EmbedOptions, cluster_tokens, embed_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Tokens

    Spans = Callable[[dict[str, list[tuple[float, float, str | None]]]], Segments]

QUICK: dict[str, Any] = {"width": 8, "layers": 1, "epochs": 1, "batch": 64, "val": 0.5}


@pytest.fixture
def files(clips: tuple[Tokens, Tokens], tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"clip_{number}.zarr" for number in range(2)]
    for path, tokens in zip(paths, clips, strict=True):
        lapsdata.write(path, tokens)
    return paths


@pytest.fixture
def segments(tmp_path: Path, spans: Spans) -> Path:
    """Return ten labelled segments of the two videos, and one without a step."""
    rows: list[tuple[float, float, str | None]] = [(at * 0.8, at * 0.8 + 0.3 + 0.1 * (at % 3), "ab"[at % 2]) for at in
                                                   range(5)]  # fmt: skip
    lapsdata.write(tmp_path / "truth.parquet", spans({"clip_0": rows, "clip_1": [*rows, (4.0, 4.01, "b")]}))
    return tmp_path / "truth.parquet"


def test_a_folder_holds_everything_and_is_kept(files: list[Path], segments: Path, tmp_path: Path) -> None:
    options, out = ClusterOptions(clusters=2, activity=r"^(clip)_"), tmp_path / "deep" / "out"
    made = cluster_tokens(files, out, options, segments=segments)
    assert made.fate == "made"
    assert {path.name for path in out.iterdir()} == {"result.json", "clusters.parquet", "clusters.png"}
    told = read_sealed_json(out / "result.json", ClusterResult)
    assert told == made.content
    assert (told.sequences, told.videos) == (10, 2)
    assert {label.name: label.sequences for label in told.labels} == {"a": 6, "b": 4}
    assert told.policies == {"segments_without_codes": 1, "videos_without_segments": 0}
    assert told.rows[0].with_noise.accuracy_activity == told.rows[0].with_noise.accuracy_all
    assert [one.role for one in told.provenance.parents] == ["tokens", "tokens", "segments"]
    clusters = lapsdata.read(out / "clusters.parquet")
    assert isinstance(clusters, Segments)
    assert set(clusters.label) == set(clusters.header.labels or ()) == {"cluster_0", "cluster_1"}
    assert clusters.embedding is not None
    assert clusters.embedding.shape == (10, 3)
    again = cluster_tokens(files, out, options, segments=segments)
    assert (again.fate, again.content) == ("kept", told)


def test_segments_may_be_a_table_of_text(files: list[Path], segments: Path, tmp_path: Path) -> None:
    truth = lapsdata.read(segments)
    assert isinstance(truth, Segments)
    names = [video.name for video in truth.header.videos]
    rows = zip(truth.video_index.tolist(), truth.start_s.tolist(), truth.end_s.tolist(), truth.label, strict=True)
    lines = ["video,start_s,end_s,label", *(f"{names[at]},{start},{end},{label}" for at, start, end, label in rows)]
    (tmp_path / "truth.csv").write_text("\n".join(lines))
    options = ClusterOptions(clusters=2)
    one, other = (cluster_tokens(files, tmp_path / path.suffix[1:], options, segments=path).content
                  for path in (segments, tmp_path / "truth.csv"))  # fmt: skip
    assert (one.rows, one.labels) == (other.rows, other.labels)


def test_equal_inputs_give_equal_bytes(files: list[Path], segments: Path, tmp_path: Path) -> None:
    options = ClusterOptions(embedding="lstm", clusterer="gmm", clusters=2, **QUICK)
    for name in ("one", "two"):
        cluster_tokens(files, tmp_path / name, options, segments=segments)
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == other
    assert {"encoder.json", "encoder.safetensors"} <= one.keys()


def test_what_is_asked_otherwise_is_made_again(files: list[Path], segments: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: tuple[dict[str, Any], ...] = ({"clusters": 2}, {"clusters": 3})
    fates = [cluster_tokens(files, out, ClusterOptions(**some), segments=segments).fate for some in told]
    assert fates == ["made", "changed"]
    assert cluster_tokens(files, out, ClusterOptions(**told[-1]), segments=segments, force=True).fate == "forced"
    content = (out / "result.json").read_bytes().replace(b'"sequences":10', b'"sequences":11', 1)
    (out / "result.json").write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"result\.json"):
        read_sealed_json(out / "result.json", ClusterResult)
    assert cluster_tokens(files, out, ClusterOptions(**told[-1]), segments=segments).fate == "damaged"


def test_what_others_have_made_is_never_replaced(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="expected nothing, or an output of this command, got something else"):
        cluster_tokens(files, out, ClusterOptions(piece_s=0.5))
    assert (out / "notes.txt").read_text() == "mine"


def test_the_picture_by_umap_is_made_before_anything_is_written(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtraError, match="expected umap-learn"):
        cluster_tokens(files, tmp_path / "out", ClusterOptions(piece_s=0.5, clusters=2, umap=True))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("embedding", ["bag", "mean", "attn_norm", "transformer"])
def test_embeddings_are_a_fixed_size_list_of_float32(
    files: list[Path], segments: Path, tmp_path: Path, embedding: Any
) -> None:
    width = {"bag": 12, "mean": 3, "attn_norm": 3, "transformer": 256}[embedding]
    output = embed_tokens(files, tmp_path / "made.parquet", EmbedOptions(embedding=embedding), segments=segments)
    kind = pq.read_schema(tmp_path / "made.parquet").field("embedding").type
    assert (str(kind.value_type), kind.list_size) == ("float", width)
    found = lapsdata.read(tmp_path / "made.parquet")
    assert isinstance(found, Segments)
    assert found.equals(output.content)
    assert found.header.policies["segments_without_codes"] == 1
    assert set(found.label) == {"a", "b"}
    assert embed_tokens(
        files, tmp_path / "made.parquet", EmbedOptions(embedding=embedding), segments=segments
    ).fate == "kept"  # fmt: skip


def test_an_encoder_that_is_trained_serves_other_tokens(files: list[Path], tmp_path: Path) -> None:
    options = ClusterOptions(embedding="lstm", piece_s=0.5, clusters=2, **QUICK)
    cluster_tokens(files, tmp_path / "out", options)
    one = embed_tokens(
        files[:1], tmp_path / "one.parquet", EmbedOptions(embedding="lstm", piece_s=0.5), encoder=tmp_path / "out"
    ).content
    clustered = lapsdata.read(tmp_path / "out" / "clusters.parquet")
    assert isinstance(clustered, Segments)
    assert one.embedding is not None
    assert clustered.embedding is not None
    np.testing.assert_allclose(one.embedding, clustered.embedding[: len(one)], atol=1e-6)
    assert [parent.role for parent in one.header.provenance.parents] == ["tokens", "encoder"]
    with pytest.raises(SchemaError, match="encoder: expected none with bag, which nothing is learned for, got one"):
        embed_tokens(files, tmp_path / "x.parquet", EmbedOptions(embedding="bag"), encoder=tmp_path / "out")


def test_folders_of_codes_are_clustered_by_their_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(12):
        name = ("pick", "place")[number % 2]
        (tmp_path / "codes" / name).mkdir(parents=True, exist_ok=True)
        codes = (random.integers(0, 3, 6) + 3 * (number % 2)).tolist()
        told = {"codes_windows": [codes], "segment": {"start_frame": 0, "end_frame": 9 + number}}
        (tmp_path / "codes" / name / f"segment_{number}.codes.json").write_text(json.dumps(told))
    options = ClusterOptions(embedding="bag", clusters=2, rate_hz="10")
    with pytest.warns(LapsWarning, match="12 of 12 files do not say which video they are of"):
        told_result = cluster_tokens([tmp_path / "codes"], tmp_path / "out", options).content
    assert told_result.rows[0].with_noise.v_measure == 1.0
    assert told_result.videos == 12
    with pytest.raises(SchemaError, match="expected frames per second, got none: target_fps is what was meant"):
        cluster_tokens([tmp_path / "codes"], tmp_path / "other", ClusterOptions(embedding="bag"))
    with pytest.raises(SchemaError, match=r"rate: expected one folder of \*.codes.json, which are segments already"):
        cluster_tokens([tmp_path / "codes"], tmp_path / "other", ClusterOptions(rate_hz="10", piece_s=1.0))


def test_fitting_on_as_many_of_each_label_is_said(files: list[Path], segments: Path, tmp_path: Path) -> None:
    options = ClusterOptions(clusters=2, balanced=True)
    told = cluster_tokens(files, tmp_path / "out", options, segments=segments).content
    assert told.rules.fitted_on == "balanced"
    with pytest.raises(SchemaError, match="balanced: expected labels of the segments"):
        cluster_tokens(files, tmp_path / "other", ClusterOptions(clusters=2, balanced=True, piece_s=0.5))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"activity": "("}, "activity: expected a regular expression, got: missing"),
        ({"activity": "clip"}, "activity: expected a group in parentheses, got 'clip'"),
        ({"activity": "clip_(0)"}, "expected an activity in the name of each video, got none in 'clip_1'"),
        ({"piece_s": 1.0}, "piece_s: expected segments or pieces, got both"),
    ],
)
def test_faults_are_named(files: list[Path], segments: Path, tmp_path: Path, told: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cluster_tokens(files, tmp_path / "out", ClusterOptions(clusters=2, **told), segments=segments)
    assert not (tmp_path / "out").exists()


def test_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="tokens: expected tokens, got none"):
        cluster_tokens([], tmp_path / "out")
