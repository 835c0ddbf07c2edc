"""`lapsdata check`: whether these are the bytes that were written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.cli._split_names import split_names
from lapsdata.errors import LapsError
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lapsdata.checks.outcome import CheckedItem
    from lapsdata.errors import Problem

__all__ = ["PLUGIN"]


def check(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders of them, and ledgers.", metavar="PATH")],
    seal: Annotated[bool, typer.Option("--seal", help="Make a list of checksums beside each file of others.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --seal: make it anew where there is one.")] = False,
    quarantine: Annotated[
        Path | None, typer.Option(help="Move videos that cannot be read there.", metavar="FOLDER")
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Of robot episodes: decode their videos, and look for a lag of frames.")
    ] = False,
    rate: Annotated[
        str | None, typer.Option(help="Of robot episodes in HDF5 that do not say it: rows per second.", metavar="RATE")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Whether energies are like those that a threshold was told from; or detections fit a truth or images.",
            metavar="FILE[:KEY]",
        ),
    ] = None,
    splits: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Of views: splits that are looked at, as train,val.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of views: sets of each split whose masks and depth are read.")
    ] = 8,
    depth_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of views of others: the root where their depth lies.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify every byte of files; prove from ledgers what was seen.

    Files of ours are compared with their seal and with the checksum of every window. HDF5, Zarr and tars of others
    carry none: they are read whole, and compared with the list of checksums that --seal puts beside them
    (NAME.lapsdata-seal.json); from then on, loading compares with it too. The file itself is never touched.
    Of videos every frame is decoded. Those that cannot be read are named; --quarantine moves them, and them alone, into
    a folder, where quarantine.jsonl says where each was and why.
    Of robot episodes (LeRobot, GR00T and more) every row is read and the packets of every video, and the statistics
    that come with them are compared with the rows; with --decode every frame is decoded, and whether pictures change
    when joints move is told.
    Of tracked boxes of others (MOTChallenge and more) every row is read: what is wrong is named by file and line.
    Of views of others (OPV2V) every yaml and point cloud is read, and both ends of every picture; extrinsics are
    compared with poses, intrinsics with pictures, depth with the points of the LiDAR, and the frames of agents with
    each other: what has no pose, and what is a copy, is named. Of these and of views of
    ours, poses are looked at (one world, metres, neither inverted nor upside down, no jumps), and masks and depth of
    some sets of each split (--sample, spread over it): whether they are almost empty or full, in metres, along what
    the camera model says, and how much of a panorama is covered. Splits with other cameras or numbers of views than
    the one for training are named. What is only unlikely is a warning that tells its threshold and its evidence.
    Ledgers of all ranks prove together that each epoch was seen exactly once. They are a proof, and the exit code is 0,
    where at least one epoch was and no error speaks against another; an epoch after it that is not finished yet is a
    warning. Where no epoch is whole yet, nothing is proven, and the exit code is 1.
    With --against every PATH is a file of energies, and is compared with those that the threshold of FILE was told
    from: energies of another camera, rate or size differ, and its number means little there. Where FILE is a truth, or
    a folder of sequences (<sequence>/img1), every PATH is detections, and is compared with it: whether every image has
    a key, spelled as the images are, how near the detections lie to the truth, and whether they are a copy of it.
    """
    if force and not seal:
        raise typer.BadParameter("only with --seal", param_hint="--force")
    from lapsdata.checks.integrity import check_integrity
    from lapsdata.checks.views import ViewsLook

    look = ViewsLook(split_names(splits), sample, depth_root)

    with console.progress("check", unit="windows", none=False) as advance:
        report = check_integrity(paths, seal=seal, force=force, decode=decode, rate=rate, views=look, advance=advance)
    # A file that cannot be read says so twice.
    problems = list(dict.fromkeys([*report.problems, *(_compared(paths, against) if against is not None else ())]))
    if quarantine is not None:
        from lapsdata.checks.videos import quarantine as move_away

        problems += move_away(report.items, quarantine)
    if json:
        console.write_json(report.as_json(), problems)
    else:
        if report.items:
            rows = [[item.status, str(item.path), item.found] for item in report.items]
            console.write_table(["status", "item", "found"], rows)
            _write_splits(report.items)
        for group in report.ledgers:
            for line in group.report.text.splitlines():
                console.write(line)
        console.write(report.summary)
        console.report(problems)
    finish(problems)


def _write_splits(items: Iterable[CheckedItem]) -> None:
    """Write what the splits of views are like, as ranges over the sets that were looked at."""
    from lapsdata.checks.view_stats import split_rows

    found = [(item.path, one) for item in items for one in item.splits]
    if found:
        names, rows = split_rows([one for _, one in found])
        several = len({path for path, _ in found}) > 1
        if several:
            names, rows = ["item", *names], [[str(path), *row] for (path, _), row in zip(found, rows, strict=True)]
        console.write("")
        console.write_table(names, rows)


def _compared(paths: list[Path], against: str) -> Iterator[Problem]:
    """Yield how energies differ from those that a threshold was told from, or detections from a truth or images."""
    from lapsdata.adapters import read_boxes
    from lapsdata.checks.boxes import compare_boxes

    # `.` and `..` are no names, and a folder of sequences has one.
    place = Path(against).resolve() if against in (".", "..") else Path(against)
    found = read_boxes(place) if place.exists() else None
    truth = None if found is None else found.boxes
    if truth is not None or place.is_dir():
        yield from _placed(paths, lambda path: tuple(compare_boxes(path, place, truth)))
        return
    yield from _compared_energies(paths, against)


def _placed(paths: list[Path], compare: Callable[[Path], Iterable[Problem]]) -> Iterator[Problem]:
    """Yield what comparing each file says, or why it cannot be compared, with the place of the file in front."""
    for path in paths:
        try:
            found = compare(path)
        except LapsError as error:
            found = error.problems
        yield from (one if one.where.startswith(str(path)) else one.within(str(path)) for one in found)


def _compared_energies(paths: list[Path], against: str) -> Iterator[Problem]:
    """Yield how energies differ from those that a threshold was told from."""
    from lapsdata.containers import Energies
    from lapsdata.formats import read
    from lapsdata.segmenters import given_threshold
    from lapsdata.stages.threshold_reports import named_threshold

    named = named_threshold(against)
    if named is None or named.record is None:
        message = f"expected a truth, a folder of sequences, or a file that `lapsdata threshold` wrote, got {against!r}"
        raise typer.BadParameter(message, param_hint="--against")
    value, told = named.value, named

    def compare(path: Path) -> tuple[Problem, ...]:
        energies = read(path, Energies)
        return (*given_threshold(value, energies).problems, *told.problems(energies))

    yield from _placed(paths, compare)


PLUGIN = check
