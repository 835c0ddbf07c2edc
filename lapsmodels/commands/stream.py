"""`lapsdata stream`: a source and a tokenizer in, segments out as they close."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, key_values, output_folder
from lapsmodels.commands._gates import gate_parameters
from lapsmodels.commands._threads import patient_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.errors import Problem
    from lapsdata.schema.threshold import ThresholdRecord
    from lapsdata.segmenters import Segment
    from lapsdata.timebase import FrameRate
    from lapsmodels.stages.stream import StreamDone, StreamHooks
    from lapsmodels.tokenizer.checkpoint import TokenizerHeader

__all__ = ["PLUGIN"]


class _Motion(StrEnum):
    RAW = "raw"
    RESIDUAL = "residual"


class _Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class _ActiveArea(StrEnum):
    AUTO = "auto"
    FULL = "full"


def stream(
    source: Annotated[str, typer.Argument(help="File, folder of images, index of a camera, rtsp:// or udp:// URL.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder that `lapsdata train` has written.", metavar="FOLDER")],
    out: Annotated[Path, typer.Option("--out", parser=output_folder, help="Folder of all outputs.", metavar="FOLDER")],
    threshold: Annotated[
        str, typer.Option(help="What `lapsdata threshold` wrote of other videos, or a number.", metavar="FILE|X")
    ],
    energy: Annotated[
        str | None, typer.Option(help="Of steps; by default what the threshold is of.", metavar="MODE")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the state machine.", metavar="KEY=VALUE")
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Frames per second of the windows, by default the tokenizer's; and of images, which carry no time.",
            metavar="R",
        ),
    ] = None,
    stride: Annotated[int, typer.Option(min=1, help="Frames from one window to the next.")] = 4,
    resize_shorter: Annotated[int, typer.Option(min=0, help="Reduce to this shorter side; 0 does not.")] = 480,
    tracker: Annotated[str, typer.Option(help="See `lapsdata plugins`.", metavar="NAME")] = "dense_flow",
    active_area: Annotated[
        _ActiveArea | None, typer.Option(help="Leave borders out (auto: files) or not (full: live sources).")
    ] = None,
    motion: Annotated[_Motion, typer.Option(help="Residual takes the motion of the camera off.")] = _Motion.RAW,
    gate_mad: Annotated[
        float | None, typer.Option(min=0, max=1, help="Gate windows whose pixels stand still; LAPS has 0.005.")
    ] = None,
    gate_active: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --gate-mad: unless such a share of the pixels differs; 0.05 by default."),
    ] = None,
    gate_pixel_diff: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --gate-mad: from which difference on a pixel does; 0.02 by default."),
    ] = None,
    gate_speed: Annotated[
        float | None, typer.Option(min=0, help="Gate windows whose points stand still; LAPS has 0.02.")
    ] = None,
    gate_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --gate-speed: unless such a share is faster; 0.025 by default."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Windows encoded at a time: quicker, and later.")] = 1,
    device: Annotated[_Device, typer.Option(help="Where windows are encoded.")] = _Device.CPU,
    save_clips: Annotated[bool, typer.Option("--save-clips", help="A video of each segment as it closes.")] = False,
    save_codes: Annotated[bool, typer.Option("--save-codes", help="Its codes, as LAPS lays them out.")] = False,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="With --save-codes: windows that overlap too.")
    ] = False,
    min_overlap: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a window that lies in its segment.")
    ] = 0.25,
    save_prequant: Annotated[
        bool, typer.Option("--save-prequant", help="With --save-codes: latents before quantisation.")
    ] = False,
    overlay: Annotated[
        Path | None, typer.Option(help="A video of frames, energies and states.", metavar="FILE.mp4")
    ] = None,
    idle: Annotated[float, typer.Option(min=0.1, help="Seconds without a frame that end a live source.")] = 5.0,
    queue: Annotated[int, typer.Option(min=1, help="Frames of a live source that wait at most.")] = 256,
    force: Annotated[bool, typer.Option("--force", help="Replace the outputs of an earlier stream.")] = False,
    json: Json = False,
) -> None:
    """Segment a video while it comes.

    Times are those of the source. A file is never dropped from; frames of a live source that come faster than they can
    be worked on are dropped, counted, and told with their times. Ctrl-C ends the stream well: what is open is closed,
    and all outputs are written.
    """
    patient_threads()
    from lapsdata.segmenters.state_machine import StateMachine
    from lapsdata.stages._segment_export import ExportOptions
    from lapsdata.stages.threshold import Measure, expect_same_measure
    from lapsdata.transforms.energies import EnergyOptions
    from lapsdata.video.live_source import is_live
    from lapsmodels.stages.encode_many import EncodeOptions
    from lapsmodels.stages.stream import stream_source
    from lapsmodels.stages.stream_options import StreamOptions
    from lapsmodels.stages.track_options import TrackOptions
    from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

    if (allow_overlap or save_prequant) and not save_codes:
        raise typer.BadParameter("only with --save-codes", param_hint="--allow-overlap, --save-prequant")
    pixel_gate = gate_parameters("--gate-mad", gate_mad, gate_active=gate_active, gate_pixel_diff=gate_pixel_diff)
    motion_gate = gate_parameters("--gate-speed", gate_speed, gate_share=gate_share)
    header = read_tokenizer_header(tokenizer)
    record, value = _threshold(threshold)
    mode: Any = energy or (record.mode if record else "token_diff_step")
    of: Any = record.source if record and not energy else None
    rate, problems = _rate(fps, header)
    with by_option("EnergyOptions", lambda key: "--energy" if key == "mode" else f"--{key}"):
        energies = EnergyOptions(mode=mode, source=of, motion=motion.value if mode.startswith("velocity") else "raw")
    live = is_live(source)
    options = StreamOptions(
        track=TrackOptions(
            tracker=tracker,
            rate=rate,
            resize_shorter=resize_shorter or None,
            points=header.config.points,
            horizon=header.config.horizon,
            stride=stride,
            gate_mad=gate_mad,
            **pixel_gate,
            active_area=active_area.value if active_area else "full" if live else "auto",
            view=header.views[0],
        ),
        images_rate=None if fps is None else rate,
        encode=EncodeOptions(
            motion=motion.value, gate_speed=gate_speed, **motion_gate, device=device.value, batch=batch
        ),
        energies=energies,
        export=ExportOptions(
            clips=save_clips,
            codes=save_codes,
            allow_overlap=allow_overlap,
            min_overlap=min_overlap,
            prequant=save_prequant,
        ),
        idle_s=idle,
        queue=queue,
    )
    if record is not None:
        weights = None if energies.of == "velocity" else header.weights
        expect_same_measure(record, Measure(energies.of, energies.measured, None, weights, options.motion), threshold)
    with by_option("StateMachine", lambda key: "--threshold" if key == "threshold" else f"--set {key}"):
        machine = StateMachine(threshold=value, **key_values(settings or []))
    done, stopped = _followed(
        lambda hooks: stream_source(
            source,
            tokenizer,
            out,
            machine,
            options,
            threshold=Path(threshold) if record else None,
            overlay=overlay,
            hooks=hooks,
            force=force,
        ),
        quiet=json,
    )
    problems += done.problems
    if json:
        console.write_json({"out": str(out), **done.told}, problems)
    else:
        _show(done, out)
        console.report(problems)
    if stopped is not None:
        raise typer.Exit(128 + stopped)
    finish(problems)


def _threshold(text: str) -> tuple[ThresholdRecord | None, float]:
    """Return what a file says of a threshold, where it is one, and the threshold."""
    from lapsdata.stages.threshold import read_threshold

    try:
        return None, float(text)
    except ValueError:
        record = read_threshold(Path(text))
        return record, record.value


def _rate(fps: str | None, header: TokenizerHeader) -> tuple[FrameRate | None, list[Problem]]:
    """Return the rate of the windows, and what is to be said where the tokenizer knows another."""
    from lapsdata.errors import Problem
    from lapsdata.timebase import FrameRate
    from lapsmodels.tokenizer.trained import is_other_rate

    own = header.trained.rate if header.trained else None
    if fps is None:
        return own, []
    given = FrameRate.parse(fps)
    if not is_other_rate(given, own):
        return given, []
    message = f"expected windows at {own} frames per second, as the tokenizer was trained on, got {given}"
    fix = "leave --fps out: its codes are of motion per frame"
    return given, [Problem("other-rate", "--fps", message, fix, "warning")]


def _followed(run: Callable[[StreamHooks], StreamDone], *, quiet: bool) -> tuple[StreamDone, int | None]:
    """Run a stream; return what it has come to, and the signal that has ended it, if one has."""
    from lapsdata.errors import LapsError
    from lapsdata.execution.stop_requests import StopRequests
    from lapsmodels.stages.stream import StreamHooks

    done: StreamDone | None = None
    requests = StopRequests()
    try:
        with requests, console.progress("stream", None, unit="frames", none=False) as advance:
            hooks = StreamHooks(
                segment=(lambda segment: None) if quiet else _tell,
                frames=advance,
                stopped=lambda: requests.asked is not None,
            )
            done = run(hooks)
    except KeyboardInterrupt:
        if done is None:
            raise
    except LapsError as error:
        if requests.asked is None:
            raise
        # Stopped before there was anything to be written.
        if quiet:
            console.write_json({}, error.problems)
        else:
            console.report(error.problems)
        raise typer.Exit(128 + requests.asked) from error
    return done, requests.asked


def _tell(segment: Segment) -> None:
    score = f"{segment.score:.4g}"
    console.write(f"segment  {segment.start_s:9.3f} s to {segment.end_s:9.3f} s  {segment.end_reason:<13}  {score}")
    # Whoever reads them from a pipe wants each as it comes.
    console.flush()


def _show(done: StreamDone, out: Path) -> None:
    told = done.told
    latency, windows, frames = told["latency_s"], told["windows"], told["frames"]
    gated = windows["pixel_gate"] + windows["motion_gate"]
    removed = {"removed": f"{told['removed_exports']} files of an earlier stream"} if told["removed_exports"] else {}
    console.write_facts(
        {
            "out": str(out),
            "segments": done.segments.facts()["segments"],
            "ended by": done.segments.facts()["ended by"],
            **removed,
            "windows": f"{windows['windows']:,}, of them gated {gated:,}, lost {windows['lost']:,}",
            "frames": f"{frames['taken']:,} taken, {frames['shown']:,} in windows, {told['dropped_frames']:,} dropped",
            "latency": f"mean {latency['mean'] * 1000:.0f} ms, p95 {latency['p95'] * 1000:.0f} ms",
            "real-time factor": f"{told['real_time_factor']:.2f} seconds of video per second",
        }
    )


PLUGIN = stream
