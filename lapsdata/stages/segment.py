"""From energies to segments, by any segmenter of the registry."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, listed
from lapsdata.execution.manifest import work_key
from lapsdata.plugins import registry
from lapsdata.provenance import code_digest, parent
from lapsdata.schema.base import Record
from lapsdata.stages._output import Output, settle
from lapsdata.stages._stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.containers import Segments
    from lapsdata.schema import SegmentsHeader
    from lapsdata.segmenters import Segmenter

__all__ = ["PLUGIN", "parameters_of", "segment_energies", "segment_problems", "takes_threshold"]

_STAGE = "segment"
_ASKED = {
    "fewer-than-asked": "pieces fewer than were asked for, over all videos: there is no place for so many cuts",
    "more-than-asked": "pieces more than were asked for, over all videos: missing values part a video in any case",
}


def segment_energies(
    energies: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    threshold: Path | None = None,
    durations: Path | None = None,
    expect: Callable[[Segments], None] | None = None,
    force: bool = False,
) -> tuple[Output[Segments], tuple[Problem, ...]]:
    """Cut the time of each video of a file of energies into segments; those that were cut so already are kept.

    Parameters
    ----------
    energies : Path
    out : Path
        A file of segments.
    segmenter : Segmenter
        With its parameters.
    threshold : Path, optional
        The file that its threshold was read from, for the provenance.
    durations : Path, optional
        The true segments of train videos that a duration was read from, for the provenance.
    expect : callable, optional
        Called with the segments before they are written; may refuse them.
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem
        Whether a metronome has cut, and which videos have no segment.

    Raises
    ------
    SchemaError
        As `lapsdata.segmenters.segment`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "energies.jsonl", sample_energies())
    >>> output, _ = segment_energies(folder / "energies.jsonl", folder / "found.parquet", StateMachine(threshold=0.5))
    >>> output.fate
    'made'
    """
    from lapsdata.containers import Energies, Segments
    from lapsdata.formats import read, write
    from lapsdata.segmenters import segment

    told = {"energies": energies, "threshold": threshold, "durations": durations}
    parents = [parent(role, path) for role, path in told.items() if path is not None]

    def known(path: Path) -> tuple[str | None, Segments]:
        found = read(path, Segments)
        return _key_of(found.header), found

    def make(overwrite: bool) -> Segments:
        made = segment(read(energies, Energies), segmenter, parents=parents)
        if expect is not None:
            expect(made)
        write(out, made, overwrite=overwrite)
        return made

    key = work_key(segmenter.name, f"{segmenter.version} {code_digest()}", segmenter.parameters, parents)
    output = settle(out, key, read=known, make=make, force=force)
    return output, segment_problems(output.content)


def segment_problems(segments: Segments) -> tuple[Problem, ...]:
    """Say what looks wrong about segments: a metronome, videos that have none, and pieces that were asked for in vain.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> segment_problems(sample_segments())
    ()
    """
    from lapsdata.segmenters import metronome_problems

    return (*metronome_problems(segments), *_silent(segments), *_not_as_asked(segments))


def _not_as_asked(segments: Segments) -> tuple[Problem, ...]:
    """Say how many pieces are fewer than were asked for, or more."""
    return tuple(
        Problem(code, "segments", f"{segments.header.policies[code]} {words}", None, "info")
        for code, words in _ASKED.items()
        if segments.header.policies.get(code)
    )


def _silent(segments: Segments) -> tuple[Problem, ...]:
    """Say which videos have no segment: one threshold for all may be above all that a quiet one has."""
    names = [video.name for at, video in enumerate(segments.header.videos) if not (segments.video_index == at).any()]
    if not names:
        return ()
    message = f"no segment was found in {len(names)} of {len(segments.header.videos)} videos: {listed(names)}"
    fix = "one threshold serves all videos of a run: where these move less than others, run them by themselves"
    return (Problem("no-segments", "segments", message, fix, "warning"),)


def takes_threshold(kind: str) -> bool:
    """Return whether a segmenter wants a threshold.

    Raises
    ------
    PluginError
        There is no such segmenter, or it cannot be loaded.

    Examples
    --------
    >>> takes_threshold("state_machine"), takes_threshold("uniform")
    (True, False)
    """
    return "threshold" in parameters_of(kind)


def parameters_of(kind: str) -> frozenset[str]:
    """Return the names of the parameters that a segmenter knows.

    Raises
    ------
    PluginError
        There is no such segmenter, or it cannot be loaded.

    Examples
    --------
    >>> sorted(parameters_of("uniform"))
    ['count', 'period_s']
    """
    maker: Any = registry("segmenters").load(kind)
    if isinstance(maker, type) and issubclass(maker, Record):
        return frozenset(maker.model_fields)
    return frozenset(inspect.signature(maker).parameters)


def _key_of(header: SegmentsHeader) -> str | None:
    made, tool = header.provenance, header.segmenter
    if made.producer != "lapsdata" or tool is None:
        return None
    return work_key(tool.name, f"{tool.version} {made.code_digest}", tool.parameters, made.parents)


def _kinds() -> dict[str, type[Record]]:
    found: dict[str, Any] = registry("segmenters").load_all()
    # One of another distribution may be made by a function, whose parameters no record tells.
    return {name: maker for name, maker in found.items() if isinstance(maker, type) and issubclass(maker, Record)}


def _filled(kind: str) -> Mapping[str, JsonValue]:
    # Which one is told by the energies; any stands for it while a recipe is checked.
    return {"threshold": 1.0} if takes_threshold(kind) else {}


PLUGIN = Stage(_STAGE, "Segments where something moves.", "state_machine", _kinds, _filled)
