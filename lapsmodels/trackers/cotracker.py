"""CoTracker (Karaev et al. 2023, 2024): a transformer that follows points of a window together, through occlusions.

Code and weights are not part of this library: they come by `torch.hub` when the tracker is first used, or from a folder
and a file of yours. What is called, and how, is that of `facebookresearch/co-tracker` (`hubconf.py`,
`cotracker/predictor.py`): video float (B, T, 3, H, W) in 0 to 255, queries (B, N, 3) as (t, x, y) in pixels of the
frames, tracks (B, T, N, 2) xy in the same pixels; the predictor scales to its own size and back by itself.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lapsdata.errors import LapsError, MissingExtraError, Problem, SchemaError, StorageError
from lapsmodels.trackers._weights import checked_device, expect_at_least_one, filled, weights
from lapsmodels.trackers._whole_windows import Answer, follow_whole_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["MODELS", "PLUGIN", "CoTracker"]

MODELS = (
    "cotracker3_offline",
    "cotracker3_online",
    "cotracker2",
    "cotracker2_online",
    "cotracker2v1",
    "cotracker2v1_online",
)
"""Names of the models in upstream's `hubconf.py`."""

# The branch is named, so that no other has to be asked for.
_UPSTREAM = "facebookresearch/co-tracker:main"
_CACHED = "facebookresearch_co-tracker_main"


@dataclass(frozen=True, kw_only=True)
class CoTracker:
    """Tracker on a model of CoTracker; each window begins anew.

    Its confidence is 1 where a point is visible, 0 elsewhere, and at most 0.1 where there is no texture to hold on to:
    the models say no more. Backward errors are not measured.

    Parameters
    ----------
    model : str
        One of `MODELS`. Those that end in `_online` are given the window in chunks of 2 steps, one step apart.
    repo : str
        Folder with upstream's `hubconf.py`; empty takes upstream itself, by `torch.hub`.
    checkpoint : str
        File of the model's weights; empty takes those that `hubconf.py` downloads.
    device : str
        "cpu", "cuda" or "cuda:1".
    batch : int
        Windows that are asked about together. Above 1, windows come late, by up to so many.

    Raises
    ------
    SchemaError
        An unknown model, or a batch below 1.

    Examples
    --------
    >>> CoTracker(model="cotracker3_online").parameters["model"]
    'cotracker3_online'
    """

    name: ClassVar[str] = "cotracker"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    pixels: ClassVar[Pixels] = "rgb"
    notice: ClassVar[str] = (
        "CoTracker is not part of lapsdata: its code is for non-commercial use only (CC-BY-NC 4.0), and its weights"
        " have a licence of their own; dense_flow and lucas_kanade have no such limit"
    )

    model: str = MODELS[0]
    repo: str = ""
    checkpoint: str = ""
    device: str = "cpu"
    batch: int = 1

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            message = f"expected one of {', '.join(MODELS)}, got {self.model!r}"
            raise SchemaError(Problem("unknown-model", f"options of {self.name}: model", message))
        expect_at_least_one(f"options of {self.name}", batch=self.batch)

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields; of places on this machine only the last name."""
        return {
            "model": self.model,
            "repo": Path(self.repo).name or _UPSTREAM,
            "checkpoint": Path(self.checkpoint).name,
            "device": self.device,
            "batch": self.batch,
        }

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`.

        Raises
        ------
        SchemaError
            Also a plan that is continuous (`not-continuous`), and a device that is not there (`no-device`).
        StorageError
            The model cannot be had: no network (`no-network`), a cache of `torch.hub` without this model
            (`stale-hub-cache`), a folder without `hubconf.py` (`no-hubconf`).
        MissingExtraError
            Upstream's code needs a package that is not there (`missing-package`).
        CorruptDataError
            The weights are of another model (`wrong-weights`).
        """
        return follow_whole_windows(frames, plan, self.name, self._ask, self.batch)

    def _ask(self, frames: NDArray[np.uint8], points: NDArray[np.float32]) -> Answer:
        import torch

        predictor = _predictor(self.model, self.repo, self.checkpoint, self.device)
        # 0 to 255, as upstream wants it: it divides by 255 itself.
        video = torch.from_numpy(frames).to(self.device).permute(0, 1, 4, 2, 3).float()
        # (t, x, y), all asked for in the first frame.
        queries = torch.nn.functional.pad(torch.from_numpy(points).to(self.device), (1, 0))
        follow = _in_chunks if self.model.endswith("_online") else _at_once
        with torch.no_grad():
            tracks, vis = follow(predictor, video, queries)
        shape = tracks.shape[:-1]
        # Upstream's comments say that visibility has one more axis; its code gives none.
        seen = vis.reshape(shape).cpu().numpy().astype(np.bool_)
        return Answer(tracks.float().cpu().numpy(), seen, seen.astype(np.float32))


def _at_once(predictor: Any, video: Any, queries: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors of torch
    tracks, vis = predictor(video, queries=queries)
    return tracks, vis


def _in_chunks(predictor: Any, video: Any, queries: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors of torch
    """Return what the last chunk gives: tracks of all frames so far."""
    step, frames = predictor.step, video.shape[1]
    # The first call only notes the queries.
    predictor(video_chunk=video[:, : 2 * step], is_first_step=True, queries=queries)
    tracks = vis = None
    for first in range(0, max(1, frames - step), step):
        tracks, vis = predictor(video_chunk=video[:, first : first + 2 * step])
    return tracks, vis


# A model is large, and a run has one.
@functools.lru_cache(maxsize=1)
def _predictor(model: str, repo: str, checkpoint: str, device: str) -> Any:  # noqa: ANN401 - a module of torch
    place = checked_device(device)
    if repo and not (Path(repo) / "hubconf.py").is_file():
        message = "expected a folder with upstream's hubconf.py, got none there"
        fix = "clone github.com/facebookresearch/co-tracker, and name its folder"
        raise StorageError(Problem("no-hubconf", repo, message, fix))
    predictor = _from_hub(model, repo, pretrained=not checkpoint)
    if checkpoint:
        filled(predictor.model, weights(checkpoint, CoTracker.name, "upstream's README links it"), checkpoint)
    return predictor.to(place).eval()


def _from_hub(model: str, repo: str, *, pretrained: bool) -> Any:  # noqa: ANN401 - a module of torch
    import torch

    # Whoever names this tracker has chosen its code: torch would ask on the terminal, and GitHub's API for its forks.
    source: dict[str, Any] = {"source": "local"} if repo else {"trust_repo": True, "skip_validation": True}
    load: Any = torch.hub.load
    try:
        return load(repo or _UPSTREAM, model, pretrained=pretrained, verbose=False, **source)
    except (ImportError, OSError, RuntimeError) as error:
        raise _told(error, model, repo) from error


def _told(error: Exception, model: str, repo: str) -> LapsError:
    """Return an error of `torch.hub` as one that says what to do."""
    import torch

    said = str(error).partition("\n")[0]
    cache = Path(torch.hub.get_dir())
    where = repo or f"torch.hub: {_UPSTREAM}"
    if isinstance(error, ImportError) or said.startswith("Missing dependencies"):
        message = f"expected the packages that upstream's code needs, got: {said}"
        return MissingExtraError(Problem("missing-package", where, message, "pip install what is named there"))
    if said.startswith("Cannot find callable"):
        message = f"expected a hubconf.py that has {model}, got an older or another one"
        fix = "update the folder" if repo else f"remove {cache / _CACHED}, and run this again with a network"
        return StorageError(Problem("no-such-model" if repo else "stale-hub-cache", where, message, fix))
    if isinstance(error, OSError) or "internet connection" in said:
        message = f"expected {model} in the cache of torch.hub ({cache}) or a network to fetch it, got: {said}"
        fix = "fetch it where there is a network and copy that folder, or name your own: repo=FOLDER, checkpoint=FILE"
        return StorageError(Problem("no-network", where, message, fix))
    return StorageError(Problem("no-model", where, f"expected the model {model}, got: {said}"))


PLUGIN = CoTracker()
