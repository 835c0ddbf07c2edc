"""`lapsdata segment`: energies in, segments out."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, key_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Energies
    from lapsdata.segmenters import Threshold
    from lapsdata.stages._segment_export import ExportOptions
    from lapsdata.stages._table_export import TableExport
    from lapsdata.stages.durations import Durations
    from lapsdata.stages.threshold_reports import NamedThreshold

__all__ = ["PLUGIN"]

_BY_ENERGY = "state_machine"


class _Refine(StrEnum):
    NONE = "none"
    STEEPEST = "steepest"


def segment(
    energies: Annotated[Path, typer.Argument(help="Energies, as `lapsdata energies` writes them.")],
    out: Annotated[Path, typer.Option("--out", help="The segments, as FILE.parquet.", metavar="FILE")],
    segmenter: Annotated[str, typer.Option(help="See `lapsdata plugins`.", metavar="NAME")] = _BY_ENERGY,
    threshold: Annotated[
        str | None,
        typer.Option(
            help="Of the state machine: Otsu's, on logarithms or not, a number, or what `lapsdata threshold` wrote.",
            metavar="otsu|otsu-linear|X|FILE[:KEY]",
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(help="The same of a file alone; KEY names one of several (a.b.c).", metavar="FILE[:KEY]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the segmenter; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    durations_from: Annotated[
        Path | None,
        typer.Option(
            metavar="TRUTH",
            help="True segments of train videos: their --cap-quantile is max_duration_s, their mean is mean_s, of a "
            "segmenter that knows these.",
        ),
    ] = None,
    cap_quantile: Annotated[
        float | None,
        typer.Option(metavar="Q", help="With --durations-from: share that is not longer; 0.95 by default."),
    ] = None,
    refine: Annotated[
        _Refine, typer.Option(help="Of the state machine: steepest moves boundaries by up to half the support.")
    ] = _Refine.NONE,
    export: Annotated[
        Path | None, typer.Option(help="Folder of clips and codes of each segment.", metavar="FOLDER")
    ] = None,
    tokens: Annotated[
        list[Path] | None, typer.Option(help="With --export: codes as LAPS lays them out.", metavar="PATH")
    ] = None,
    videos: Annotated[list[str] | None, typer.Option(help="With --export: clips.", metavar="PATH")] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="With --tokens: windows that overlap too.")
    ] = False,
    min_overlap: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a window that lies in its segment.")
    ] = 0.25,
    save_prequant: Annotated[
        bool, typer.Option("--save-prequant", help="With --tokens: latents before quantisation.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Segment again what is done.")] = False,
    json: Json = False,
) -> None:
    """Cut the time of each video into segments where something moves.

    A threshold outside of the energies is told, and so are segments that the clock has made: a metronome scores well
    and has seen nothing.
    """
    from lapsdata.plugins import registry
    from lapsdata.stages._segment_export import ExportOptions
    from lapsdata.stages.segment import segment_energies, takes_threshold

    if (export is None) != (not tokens and not videos):
        raise typer.BadParameter("goes with --tokens or --videos, and they with it", param_hint="--export")
    parameters = key_values(settings or [])
    asked = _asked(threshold, report)
    durations = _durations(durations_from, cap_quantile)

    @cache
    def series() -> Energies:
        return _read(energies)

    _tell_parameters(parameters, segmenter, series, durations, refine)
    found, named = None, None
    if takes_threshold(segmenter) and "threshold" not in parameters:
        found, named = _threshold(asked or "otsu", series())
        parameters["threshold"] = found.value
    elif asked is not None:
        message = "not beside --set threshold" if "threshold" in parameters else f"{segmenter} has none"
        raise typer.BadParameter(message, param_hint="--threshold" if report is None else "--report")
    maker = registry("segmenters").load(segmenter)
    with by_option(getattr(maker, "__name__", ""), lambda key: "--threshold" if key == "threshold" else f"--set {key}"):
        made = maker(**parameters)
    told_from = () if named is None else named.problems(series(), made.parameters)
    chosen = ExportOptions(
        clips=bool(videos),
        codes=bool(tokens),
        allow_overlap=allow_overlap,
        min_overlap=min_overlap,
        prequant=save_prequant,
    )
    exporter = None if export is None else _exporter(export, chosen, series(), tokens or [], videos or [], force)
    expect = None if exporter is None else exporter.expect
    file = None if named is None else named.path
    output, told = segment_energies(
        energies, out, made, threshold=file, durations=durations_from, expect=expect, force=force
    )
    problems = [*(found.problems if found else ()), *told_from, *told]
    facts = {"out": str(out), **output.content.facts()}
    if durations is not None:
        problems += durations.problems((one.name for one in output.content.header.videos), str(durations_from))
        facts["durations"] = str(durations)
    if found is not None:
        facts["threshold"] = f"{found.value:.4g} ({found.method}), {found.above:.0%} of the energies are above"
    facts["done"] = output.fate
    if exporter is not None:
        done = exporter.write(output.content)
        facts["exported"] = str(done)
        problems += done.problems
    if json:
        console.write_json(facts, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


def _durations(truth: Path | None, quantile: float | None) -> Durations | None:
    from lapsdata.stages.durations import train_durations

    if truth is None:
        if quantile is not None:
            raise typer.BadParameter("goes with --durations-from", param_hint="--cap-quantile")
        return None
    return train_durations(truth) if quantile is None else train_durations(truth, quantile)


def _tell_parameters(
    parameters: dict[str, Any],
    segmenter: str,
    series: Callable[[], Energies],
    durations: Durations | None,
    refine: _Refine,
) -> None:
    """Put in what durations and energies tell of the parameters, which nobody may have set beside."""
    from lapsdata.stages.segment import parameters_of

    known, told = parameters_of(segmenter), {}
    if durations is not None:
        told["--durations-from"] = durations.parameters(known)
    if refine is _Refine.STEEPEST:
        told["--refine"] = {"refine_s": series().header.support_s / 2} if "refine_s" in known else {}
    for option, values in told.items():
        if not values:
            raise typer.BadParameter(f"{segmenter} has no parameter that it tells", param_hint=option)
        doubled = sorted(values.keys() & parameters.keys())
        if doubled:
            raise typer.BadParameter(f"not beside --set {doubled[0]}", param_hint=option)
        parameters.update(values)


def _exporter(
    folder: Path, options: ExportOptions, energies: Energies, tokens: list[Path], videos: list[str], force: bool
) -> TableExport:
    """Return what writes the exports, told whose latents the energies measure."""
    from lapsdata.stages._table_export import TableExport
    from lapsdata.stages.energies import energy_files
    from lapsdata.video.sources import find_videos

    return TableExport(
        folder,
        options,
        tokens=energy_files(tokens),
        videos={item.name: item.path for item in find_videos(videos)} if videos else {},
        tokenizer=energies.header.tokenizer,
        force=force,
    )


def _asked(threshold: str | None, report: str | None) -> str | None:
    """Return what was asked for by one of the two options."""
    if report is None:
        return threshold
    if threshold is not None:
        raise typer.BadParameter("not beside --threshold: both name the threshold", param_hint="--report")
    if not Path(report).is_file() and ".json" not in report:
        raise typer.BadParameter(f"expected FILE.json or FILE.json:KEY, got {report!r}", param_hint="--report")
    return report


def _read(energies: Path) -> Energies:
    from lapsdata.containers import Energies
    from lapsdata.formats import read

    return read(energies, Energies)


def _threshold(text: str, energies: Energies) -> tuple[Threshold, NamedThreshold | None]:
    """Return the threshold, and the file that says it."""
    from lapsdata.segmenters import given_threshold
    from lapsdata.stages.threshold import threshold_options, told_threshold
    from lapsdata.stages.threshold_reports import named_threshold

    named = named_threshold(text)
    if named is None:
        return told_threshold(energies, threshold_options(text)), None
    return given_threshold(named.value, energies), named


PLUGIN = segment
