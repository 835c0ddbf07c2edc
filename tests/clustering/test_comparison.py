"""Rows of a result: the prediction beside controls that know next to nothing, as text and as a picture."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lapsdata.errors import MissingExtraError, SchemaError
from lapsdata.schema import ClusterResult, ClusterRules, LabelCount
from lapsdata.testing.samples import sample_provenance
from lapsmodels.clustering.clusterers import cluster_vectors
from lapsmodels.clustering.comparison import PERMUTED, How, compared
from lapsmodels.clustering.embeddings import EMBEDDINGS, embed
from lapsmodels.clustering.encoder import EncoderOptions
from lapsmodels.clustering.picture import clusters_png, principal_plane, umap_plane, umap_png
from lapsmodels.clustering.table import cluster_table, not_above_controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsmodels.clustering.sequences import Sequences

    Kinds = Callable[..., Sequences]

QUICK = EncoderOptions(width=8, layers=1, epochs=2, rate=0.02, val=None)


def result(found: Sequences, embedding: Any = "mean", **how: Any) -> tuple[ClusterResult, NDArray[np.int64]]:
    made = embed(found, embedding, encoder=QUICK)
    clusterer = how.get("clusterer", "kmeans")
    clusters = cluster_vectors(made.ready, clusterer, clusters=None if clusterer == "hdbscan" else 3)
    labels = found.segments.label
    names = sorted({label for label in labels if label is not None})
    return ClusterResult(
        provenance=sample_provenance(),
        rules=ClusterRules(embedding=embedding, clusterer=clusterer, chosen_by="given"),
        sequences=len(found),
        videos=3,
        lengths=made.lengths,
        labels=tuple(LabelCount(name=name, sequences=labels.count(name)) for name in names),
        truth_digest="sha256:" + "0" * 64 if names else None,
        training=None if made.encoder is None else made.encoder.training,
        rows=compared(found, embedding, made.ready, clusters, how=How(**how)),
    ), clusters.of


def unlabelled(found: Sequences) -> Sequences:
    object.__setattr__(found.segments, "label", (None,) * len(found))
    return found


def test_what_knows_the_kind_is_above_what_does_not(kinds: Kinds) -> None:
    told, _ = result(kinds(each=8))
    rows = {row.name: row for row in told.rows}
    assert [row.kind for row in told.rows] == ["prediction", "control", "control", "control"]
    assert list(rows) == ["mean", "duration", "random_projection", PERMUTED]
    assert rows["mean"].with_noise.v_measure == 1.0
    assert rows["mean"].with_noise.accuracy_all == 1.0
    assert rows["duration"].with_noise.ami is not None
    assert abs(rows["duration"].with_noise.ami) < 0.2
    assert {row.clusters for row in told.rows} == {3}


def test_dealt_out_labels_are_chance_by_what_is_adjusted_and_not_by_what_is_not(kinds: Kinds) -> None:
    told, _ = result(kinds(each=3), draws=50)
    permuted = told.rows[-1]
    assert permuted.draws == 50
    scores = permuted.with_noise
    assert scores.ari is not None
    assert scores.v_measure is not None
    assert scores.accuracy_all is not None
    assert abs(scores.ari) < 0.05
    assert scores.v_measure > 0.02
    assert scores.accuracy_all > 1 / 3 + 0.05
    assert scores.silhouette is None


def test_dealing_labels_out_is_seeded(kinds: Kinds) -> None:
    one, other, third = (result(kinds(), seed=seed)[0].rows[-1] for seed in (0, 0, 1))
    assert one == other != third


def test_a_control_as_prediction_does_not_stand_twice(kinds: Kinds) -> None:
    told, _ = result(kinds(), "duration")
    assert [row.name for row in told.rows] == ["duration", "random_projection", PERMUTED]


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_embedding_is_one_row_per_sequence(kinds: Kinds, embedding: Any) -> None:
    found = kinds()
    made = embed(found, embedding, encoder=QUICK, longest_quantile=0.5)
    assert len(made.vectors) == len(made.ready) == len(found)
    assert np.isfinite(made.ready).all()
    by_steps = embedding in {"lstm", "transformer"}
    assert (made.lengths.longest is not None) == by_steps
    assert (made.lengths.cut > 0) == by_steps
    assert (made.encoder is not None) == (embedding == "lstm")
    if embedding != "duration":
        np.testing.assert_allclose(np.linalg.norm(made.ready, axis=1), 1)
    else:
        assert len(np.unique(made.ready)) > 2


@pytest.mark.parametrize("embedding", ["mean", "attn_norm", "transformer"])
def test_without_latents_some_cannot_be_made(kinds: Kinds, embedding: Any) -> None:
    with pytest.raises(SchemaError, match=f"expected the latents of the codes for {embedding}, got codes alone"):
        embed(kinds(latents=False), embedding)


def test_the_table_holds_every_row_and_no_empty_column(kinds: Kinds) -> None:
    told, _ = result(kinds())
    lines = cluster_table(told).splitlines()
    assert lines[0].startswith("36 sequences of 3 videos, 6 to 11 codes, median ")
    assert lines[1] == "mean by kmeans, clusters by given, 3 labels"
    columns = "row clusters noise silhouette DB CH ARI AMI NMI V acc all acc video"
    assert lines[2].split() == columns.split()
    assert [line.split()[0] for line in lines[3:7]] == ["mean", "duration", "random_projection", PERMUTED]
    # Each kind has codes of its own: whoever tells codes apart needs no latents, and the table says so.
    assert lines[7:] == [not_above_controls(told)]
    assert lines[7].endswith("by V-measure (1.000, random_projection has 1.000).")
    without = tuple(row for row in told.rows if row.name != "random_projection")
    assert not_above_controls(told.model_copy(update={"rows": without})) is None


def test_the_table_says_where_a_control_does_as_well(kinds: Kinds) -> None:
    told, _ = result(kinds())
    first, second, *others = told.rows
    worse = told.model_copy(update={"rows": (first.model_copy(update={"with_noise": second.with_noise}), second,
                                             *others)})  # fmt: skip
    verdict = cluster_table(worse).splitlines()[-1]
    assert verdict.startswith("The prediction is not above its controls by V-measure (")
    assert f"duration has {second.with_noise.v_measure:.3f}" in verdict


def test_noise_has_a_line_of_its_own(kinds: Kinds) -> None:
    told, _ = result(kinds(each=8), "random_projection", clusterer="hdbscan")
    noisy = [row.name for row in told.rows if row.noise_share]
    assert cluster_table(told).count("  noise left out") == len(noisy) > 0


def test_without_labels_nothing_is_claimed(kinds: Kinds) -> None:
    told, of = result(unlabelled(kinds()))
    assert PERMUTED not in [row.name for row in told.rows]
    assert cluster_table(told).splitlines()[-1].startswith("No labels: nothing here says what the clusters mean")
    assert clusters_png(told, np.eye(36), of, [None] * 36)[1:4] == b"PNG"


def test_the_training_of_an_encoder_is_told_beside_shares_alone(kinds: Kinds) -> None:
    told, _ = result(kinds(), "lstm")
    assert "still getting better" not in cluster_table(told)
    training = told.training
    assert training is not None
    ended = told.model_copy(update={"training": training.model_copy(update={"held_out": ("clip_1",)})})
    assert "encoder: it was still getting better when it ended: more --epochs" in cluster_table(ended).splitlines()
    assert any(
        line.startswith("encoder: 2 epochs, weights of epoch 2, ") and "shares of codes alone 2." in line
        for line in cluster_table(told).splitlines()
    )


def test_the_picture_is_equal_for_equal_arguments_and_has_ink(kinds: Kinds) -> None:
    found = kinds()
    told, of = result(found)
    labels = ["$a$\n" * 9 if label == "a" else label for label in found.segments.label]
    pictures = [clusters_png(told, embed(found, "mean").ready, of, labels) for _ in range(2)]
    assert pictures[0] == pictures[1]
    image = cv2.imdecode(np.frombuffer(pictures[0], np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (1216, 1760)
    assert 0.02 < (image < 200).any(axis=2).mean() < 0.6


def test_the_plane_keeps_the_largest_directions() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 2)) * (9, 3)
    turned = np.concatenate([vectors, np.zeros((50, 1))], axis=1) @ np.linalg.qr(random.normal(size=(3, 3)))[0]
    plane, shares = principal_plane(turned)
    assert shares[0] > 0.8
    assert sum(shares) == pytest.approx(1)
    apart = np.linalg.norm(plane[:, None] - plane, axis=-1)
    np.testing.assert_allclose(apart, np.linalg.norm(vectors[:, None] - vectors, axis=-1), atol=1e-9)
    assert principal_plane(np.zeros((3, 1)))[1] == (0.0, 0.0)


def test_umap_is_asked_for_a_seeded_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    class Fake:
        def __init__(self, **told: object) -> None:
            asked.update(told)

        def fit_transform(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
            return vectors[:, :2]

    fake: Any = ModuleType("umap")
    fake.UMAP = Fake
    monkeypatch.setitem(sys.modules, "umap", fake)
    plane = umap_plane(np.arange(12.0).reshape(4, 3), seed=5)
    assert asked == {"n_components": 2, "random_state": 5, "n_jobs": 1}
    assert umap_png(plane, np.array([0, 0, 1, -1]))[1:4] == b"PNG"


def test_without_umap_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"lapsdata cluster --umap: expected umap-learn, got no such package"):
        umap_plane(np.zeros((3, 2)))
