"""The record of a clustering: which sequences, made into which vectors, and its scores beside those of controls."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Parameters, Positive, Record

__all__ = [
    "ClusterResult",
    "ClusterRow",
    "ClusterRules",
    "ClusterScores",
    "EncoderTraining",
    "LabelCount",
    "SequenceLengths",
    "TriedCount",
]

_Share = Annotated[float, Field(ge=0, le=1)]
_Correlation = Annotated[float, Field(ge=-1, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]


class ClusterRules(Record):
    """What scores of clusters leave open where only their names are told."""

    embedding: Name
    """What makes a vector of a sequence."""
    clusterer: Literal["kmeans", "gmm", "hdbscan"]
    """What makes clusters of vectors."""
    parameters: Parameters = Field(default_factory=dict)
    """What the clusterer was told."""
    chosen_by: Literal["given", "silhouette", "density"]
    """How many clusters there are: as was said, as the prediction's silhouette is highest, or as the density has it."""
    fitted_on: Literal["all", "balanced"] = "all"
    """`balanced`: on as many sequences of each label; labels were used, so that it is not unsupervised."""
    distance: Literal["euclidean"] = "euclidean"
    """Of the scores that need no labels, each in the space of its own row."""
    noise: Literal["one_cluster_and_left_out"] = "one_cluster_and_left_out"
    """Sequences in no cluster are scored twice: as one more cluster, and left out."""
    nmi: Literal["arithmetic"] = "arithmetic"
    """Mean of both entropies by which mutual information is divided, for NMI and AMI."""
    accuracy: Literal["unmatched_is_wrong"] = "unmatched_is_wrong"
    """Each cluster is matched with one label or none, so that most sequences fit; the others are wrong. Noise that is
    scored as one more cluster may be matched as any other."""


class ClusterScores(Record):
    """Scores of one row; null where one is not defined, as of a single cluster, or without labels."""

    sequences: Count
    """Sequences that were scored."""
    labelled: Count
    """Those with a label: all scores from `ari` on are of them."""
    clusters: Count
    """Clusters of the scored sequences."""
    silhouette: _Correlation | None = None
    """Mean silhouette."""
    davies_bouldin: _NotNegative | None = None
    """Davies-Bouldin index: lower is better."""
    calinski_harabasz: _NotNegative | None = None
    """Calinski-Harabasz index: higher is better; it depends on the number of sequences."""
    ari: _Correlation | None = None
    """Adjusted Rand index: 0 by chance."""
    ami: Annotated[float, Field(le=1)] | None = None
    """Adjusted mutual information: 0 by chance."""
    nmi: _Share | None = None
    """Normalised mutual information: not 0 by chance, and higher for more clusters."""
    homogeneity: _Share | None = None
    """1 where each cluster is of one label."""
    completeness: _Share | None = None
    """1 where each label is in one cluster."""
    v_measure: _Share | None = None
    """Harmonic mean of both; not 0 by chance, and higher for more clusters."""
    accuracy_all: _Share | None = None
    """Share of sequences whose cluster was matched with their label: one matching for all."""
    accuracy_activity: _Share | None = None
    """One matching per activity; null where no activities were told."""
    accuracy_video: _Share | None = None
    """One matching per video: the easiest of the three, and not to be compared with them."""


class ClusterRow(Record):
    """One clustering, scored both ways that noise can be."""

    name: Name
    """What the row is called in tables."""
    kind: Literal["prediction", "control"]
    """Whether it is what is judged, or what it is judged by."""
    draws: Positive = 1
    """Draws that the means go over."""
    clusters: Count
    """Clusters that were found, without noise."""
    noise_share: _Share
    """Share of the sequences that are in none."""
    with_noise: ClusterScores
    """Of all sequences, noise as one more cluster."""
    without_noise: ClusterScores
    """Of the sequences in clusters alone: flattering where much is noise."""

    @model_validator(mode="after")
    def _fewer_without_noise(self) -> Self:
        if self.without_noise.sequences > self.with_noise.sequences:
            raise ValueError(f"expected up to {self.with_noise.sequences} sequences without noise")
        return self


class LabelCount(Record):
    """A label and how many sequences have it."""

    name: Name
    """The label."""
    sequences: Positive
    """Sequences that have it."""


class SequenceLengths(Record):
    """How long the sequences are, in codes, and what was cut."""

    least: Positive
    """Of the shortest."""
    median: Annotated[float, Field(ge=1)]
    """Of the middle one."""
    mean: Annotated[float, Field(ge=1)]
    """Mean."""
    most: Positive
    """Of the longest."""
    longest: Positive | None = None
    """Length at which the embedding cut longer ones; null where it takes them whole."""
    cut: Count = 0
    """Sequences that were cut."""
    cut_codes: Count = 0
    """Codes that were cut off them."""


class TriedCount(Record):
    """A number of clusters that was tried, and what its silhouette was."""

    clusters: Positive
    """Clusters."""
    silhouette: _Correlation | None
    """Mean silhouette of the sequences that were fitted; null where fewer clusters came out than were asked for."""


class EncoderTraining(Record):
    """What the training of an encoder of sequences has come to."""

    sequences: Positive
    """Sequences that it learned from."""
    epochs: Positive
    """How often each of them was met."""
    taken_from: Positive
    """The epoch whose weights were taken: of the lowest loss on the held-out videos, or the last."""
    held_out: tuple[Name, ...]
    """Videos that it was judged by; none where it was judged by none."""
    loss: _NotNegative
    """Cross entropy of the next and the previous code, nats per code: on the held-out videos, or those learned from."""
    unigram_loss: _NotNegative
    """The same of one that knows only how often each code is: what there is to be below."""


class ClusterResult(Header):
    """Scores of a clustering beside those of controls, with the rules and the digest of labels."""

    RECORD: ClassVar[str] = "cluster_result"

    format: Literal["lapsdata.cluster_result"] = "lapsdata.cluster_result"
    """Which format this header belongs to."""
    rules: ClusterRules
    """How vectors were clustered and clusters were scored."""
    sequences: Positive
    """Sequences that were clustered."""
    videos: Positive
    """Videos that they are of."""
    lengths: SequenceLengths
    """How long they are."""
    labels: tuple[LabelCount, ...] = ()
    """Labels of the sequences, by name; none where there are none."""
    truth_digest: Digest | None = None
    """Digest of videos, times and labels of all sequences; null without labels."""
    tried: tuple[TriedCount, ...] = ()
    """The numbers of clusters among which one was chosen."""
    training: EncoderTraining | None = None
    """Of the encoder; null for embeddings that learn nothing."""
    rows: Annotated[tuple[ClusterRow, ...], Field(min_length=1)]
    """The prediction, then its controls."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rows = [row.name for row in self.rows]
        if len(set(rows)) != len(rows):
            raise ValueError("expected each row once")
        if [row.kind == "prediction" for row in self.rows] != [True, *[False] * (len(rows) - 1)]:
            raise ValueError("expected the prediction as first row, and as no other")
        if any(row.with_noise.sequences != self.sequences for row in self.rows):
            raise ValueError(f"expected rows of all {self.sequences} sequences")
        if len({label.name for label in self.labels}) != len(self.labels):
            raise ValueError("expected each label once")
        if bool(self.labels) != (self.truth_digest is not None):
            raise ValueError("expected a truth_digest exactly where there are labels")
        return self
