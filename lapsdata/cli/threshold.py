"""`lapsdata threshold`: where loud begins, told from the energies, searched for by a truth or by labels, or given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, key_values

if TYPE_CHECKING:
    from lapsdata.errors import Problem
    from lapsdata.schema.threshold import BoundarySearch, LabelSearch, ThresholdRecord
    from lapsdata.stages._output import Output

__all__ = ["PLUGIN"]

_OF_TRUTH = {
    "tolerance_s": "--tolerance",
    "leave_one_out": "--leave-one-out",
    "most": "--most",
    "beyond": "--beyond",
    "segmenter": "--set",
    "rate": "--rate",
    "split": "--split",
}
_OF_LABELS = {"labels": "--labels", "alignment": "--align"}
_OF_ENERGIES = {"least_motion_px": "--least-motion-px", "method": "--method"}


def threshold(
    energies: Annotated[Path, typer.Argument(help="Energies, as `lapsdata energies` writes them.")],
    out: Annotated[Path, typer.Option("--out", help="The threshold, as FILE.json.", metavar="FILE")],
    truth: Annotated[Path | None, typer.Argument(help="True segments of the same videos: a train split.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Without a truth: Otsu's (default), on logarithms or not, or a number.", metavar="otsu|otsu-linear|X"
        ),
    ] = None,
    least_motion_px: Annotated[
        float | None, typer.Option(min=0, help="Pixels per frame below which all is noise; 0.1 by default.")
    ] = None,
    pseudo_labels: Annotated[
        Path | None,
        typer.Option(help="Another energy of the same videos, which says what is active.", metavar="ENERGIES"),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is made highest: with a truth f_macro or f_micro, with labels f1 or youden.",
            metavar="f_macro|f_micro|f1|youden",
        ),
    ] = None,
    tolerance: Annotated[float | None, typer.Option(min=0, help="Seconds; 0.5 by default.", metavar="S")] = None,
    split: Annotated[
        str | None, typer.Option(help="Videos of the truth, such as train.split1.", metavar="NAME")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="Frames per second of labels per frame.", metavar="FPS")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of the state machine; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Search without each video too, and score on that.")
    ] = False,
    most: Annotated[
        int | None, typer.Option(min=2, help="Most thresholds tried in a video; 200000 by default.")
    ] = None,
    beyond: Annotated[
        str | None, typer.Option(help="What becomes of more: an error by default.", metavar="raise|coarse_to_fine")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Where --pseudo-labels are active; Otsu's by default.", metavar="otsu|otsu-linear|X"),
    ] = None,
    align: Annotated[
        str | None,
        typer.Option(
            help="Labels of the same rows (default), or of the row around the middle.", metavar="rows|middles"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Tell it again where it is told.")] = False,
    json: Json = False,
) -> None:
    """Tell where loud begins.

    One threshold for all videos of the file. Told with it are the range of the energies, how many are above, and
    whether it lies outside of them. Where nothing moves but noise there is none.

    With true segments, every threshold there is is tried with the state machine, and the one of the best boundaries
    taken: search on videos of a train split, and score on others. With --pseudo-labels, every threshold is held
    against what another energy takes for active. Segment with it: `lapsdata segment ENERGIES --threshold FILE`.
    """
    given = {
        "objective": objective,
        "tolerance_s": tolerance,
        "leave_one_out": leave_one_out or None,
        "most": most,
        "beyond": beyond,
        "segmenter": key_values(settings) if settings else None,
        "rate": rate,
        "split": split,
        "labels": labels,
        "alignment": align,
        "method": method,
        "least_motion_px": least_motion_px,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    if truth is not None and pseudo_labels is not None:
        raise typer.BadParameter("not beside a truth: one of them says what is right", param_hint="--pseudo-labels")
    if truth is not None:
        output, problems = _by_truth(energies, truth, out, asked, force=force)
    elif pseudo_labels is not None:
        output, problems = _by_labels(energies, pseudo_labels, out, asked, force=force)
    else:
        output, problems = _told(energies, out, asked, force=force)
    found = output.content
    facts = {"out": str(out), **_facts(found), "done": output.fate}
    if json:
        console.write_json(facts | {"value": found.value, "record": found.as_json()}, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


Told = tuple["Output[ThresholdRecord]", tuple["Problem", ...]]


def _refuse(asked: dict[str, Any], *of: dict[str, str], beside: str) -> None:
    """Refuse options that mean nothing here."""
    for options in of:
        for name in options.keys() & asked.keys():
            raise typer.BadParameter(f"not {beside}", param_hint=options[name])


def _told(energies: Path, out: Path, asked: dict[str, Any], *, force: bool) -> Told:
    from lapsdata.stages.threshold import GivenOptions, find_threshold, threshold_options

    _refuse(asked, _OF_TRUTH, {"objective": "--objective"}, beside="without a truth")
    _refuse(asked, _OF_LABELS, beside="without --pseudo-labels")
    options = threshold_options(asked.get("method", "otsu"))
    if "least_motion_px" in asked:
        if isinstance(options, GivenOptions):
            raise typer.BadParameter("not beside a number", param_hint="--least-motion-px")
        options = options.model_copy(update={"least_motion_px": asked["least_motion_px"]})
    return find_threshold(energies, out, options, force=force)


def _by_truth(energies: Path, truth: Path, out: Path, asked: dict[str, Any], *, force: bool) -> Told:
    from lapsdata.stages.threshold_search import SearchOptions, search_threshold

    _refuse(asked, _OF_ENERGIES, _OF_LABELS, beside="beside a truth")
    where = {name: asked.pop(name, None) for name in ("rate", "split")}
    with by_option("SearchOptions", lambda key: _OF_TRUTH.get(key, f"--{key}")), by_option("StateMachine"):
        return search_threshold(energies, truth, out, SearchOptions(**asked), **where, force=force)


def _by_labels(energies: Path, others: Path, out: Path, asked: dict[str, Any], *, force: bool) -> Told:
    from lapsdata.stages.threshold import GivenOptions, threshold_options
    from lapsdata.stages.threshold_search import LabelOptions, label_threshold

    _refuse(asked, _OF_ENERGIES, _OF_TRUTH, beside="beside --pseudo-labels")
    if "labels" in asked:
        parted = threshold_options(asked["labels"])
        asked["labels"] = parted.value if isinstance(parted, GivenOptions) else parted.method
    with by_option("LabelOptions", lambda key: _OF_LABELS.get(key, f"--{key}")):
        return label_threshold(energies, others, out, LabelOptions(**asked), force=force)


def _facts(found: ThresholdRecord) -> dict[str, str]:
    facts = {
        "threshold": f"{found.value:.4g} ({found.method})",
        "energies": f"{found.lowest:.4g} to {found.highest:.4g}, {found.above:.0%} are above",
        "rows": ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in found.counts.items() if count),
    }
    tried = found.tried
    if tried is None:
        return facts
    more = f", and {tried.other_plateaus} stretches elsewhere" if tried.other_plateaus else ""
    facts["as good"] = f"{tried.plateau_low:.4g} to {tried.plateau_high:.4g}{more}"
    facts["tried"] = f"{tried.tried} of {tried.candidates} thresholds ({tried.search.replace('_', ' ')})"
    if found.label_search is not None:
        facts |= _label_facts(found.label_search)
    if found.boundary_search is not None:
        facts |= _boundary_facts(found.boundary_search)
    if found.policies:
        facts["policies"] = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.policies.items())
    return facts


def _label_facts(told: LabelSearch) -> dict[str, str]:
    return {
        "score": f"{told.objective} {told.score:.4f} against labels, not a truth",
        "labels": f"{told.labels_source} {told.labels_mode} from {told.labels_threshold:.4g} on ({told.labels_method})",
        "labelled": f"{told.active} of {told.rows} rows are active",
    }


def _boundary_facts(search: BoundarySearch) -> dict[str, str]:
    chance, left = search.chance, search.leave_one_out
    facts = {
        "score": f"{search.objective} {search.score:.4f} at {search.rules.tolerances_s[0]:g} s, as found",
        "by chance": (
            f"{chance.uniform_best_period:.4f} a metronome of {chance.period_s:.3g} s, "
            f"{chance.constant_energy:.4f} one energy all the time"
        ),
        "videos": str(search.videos),
        "segments": ", ".join(f"{reason}: {count}" for reason, count in search.ended_by.items()) or "none",
    }
    if left is not None:
        facts["left out"] = f"F {left.score:.4f} on videos that were left out"
        facts["by others"] = f"thresholds {left.lowest:.4g} to {left.highest:.4g}, median {left.median:.4g}"
    return facts


PLUGIN = threshold
