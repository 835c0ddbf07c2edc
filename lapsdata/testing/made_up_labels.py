"""A small data set of labels per frame, laid out as GTEA's and made up: for tests of what reads such a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.testing.scene_plan import random_stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["MADE_UP_TEST", "MADE_UP_TRAIN", "write_made_up_labels"]

MADE_UP_TRAIN = ("S2_Cheese_C1", "S2_Tea_C1", "S3_Cheese_C1", "S3_Tea_C1")
"""Videos of the train split."""
MADE_UP_TEST = ("S1_Cheese_C1", "S1_Tea_C1")
"""Videos of the test split."""

_ACTIONS = ("take", "open", "pour", "stir")
_QUIET = "background"
# Medians near GTEA's; log-normal lengths, as those of people are.
_ACTION_S, _QUIET_S, _SIGMA = 1.5, 1.0, 0.5


def write_made_up_labels(
    root: Path,
    *,
    seconds: float = 12.0,
    rate_hz: int = 15,
    train: Sequence[str] = MADE_UP_TRAIN,
    test: Sequence[str] = MADE_UP_TEST,
    seed: int = 0,
) -> None:
    r"""Write `groundTruth`, `splits` (split 1) and `mapping.txt` in the layout of MS-TCN.

    Parameters
    ----------
    root : Path
        Made if it is not there; files of these names are replaced.
    seconds : float, seconds
        Mean length of a video, at least 1; they differ by up to a fifth.
    rate_hz : int, labels per second
    train, test : sequence of str
        Names of the videos.
    seed : int

    Raises
    ------
    SchemaError
        Shorter videos.
    StorageError
        A file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_made_up_labels(root)
    >>> (root / "splits" / "test.split1.bundle").read_text()
    'S1_Cheese_C1.txt\nS1_Tea_C1.txt\n'
    """
    if not seconds >= 1:
        message = f"expected at least 1 s, which has room for rests at both ends, got {seconds:g} s"
        raise SchemaError(Problem("out-of-range", "seconds", message))
    truth, splits = root / "groundTruth", root / "splits"
    with storage_errors(root, "write to"):
        for folder in (truth, splits):
            folder.mkdir(parents=True, exist_ok=True)
        for name in (*train, *test):
            labels = _labels(random_stream(seed, name), seconds, rate_hz)
            (truth / f"{name}.txt").write_text("".join(f"{label}\n" for label in labels))
        for part, names in (("train", train), ("test", test)):
            (splits / f"{part}.split1.bundle").write_text("".join(f"{name}.txt\n" for name in names))
        known = (*_ACTIONS, _QUIET)
        (root / "mapping.txt").write_text("".join(f"{at} {label}\n" for at, label in enumerate(known)))


def _labels(random: np.random.Generator, seconds: float, rate_hz: int) -> list[str]:
    """Return the label of each frame: actions and rests in turn, a rest at both ends."""
    frames = round(seconds * rate_hz * random.uniform(0.8, 1.2))
    labels: list[str] = []
    while len(labels) < frames:
        rest, action = np.exp(_SIGMA * random.standard_normal(2)) * (_QUIET_S, _ACTION_S) * rate_hz
        labels += [_QUIET] * max(round(rest), 1)
        labels += [str(random.choice(_ACTIONS))] * max(round(action), 1)
    # The last rest is half a second, so that what ends there can be told from the end of the video.
    return labels[: frames - rate_hz // 2] + [_QUIET] * (rate_hz // 2)
