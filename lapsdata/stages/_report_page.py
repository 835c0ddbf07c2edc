"""The page of a report: one static file that needs no other but the timelines beside it."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.containers.segments import END_REASONS
from lapsdata.errors import shown
from lapsdata.metrics._words import plural
from lapsdata.metrics.score_tables import ap_table, cluster_table, label_table
from lapsdata.metrics.table import best_chance, not_above_chance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt
    from pydantic import JsonValue

    from lapsdata.containers import Energies, Segments
    from lapsdata.errors import Problem
    from lapsdata.metrics.table import Average
    from lapsdata.schema import BoundaryResult, SegmentationResult
    from lapsdata.schema.base import Provenance
    from lapsdata.schema.result import BoundaryRow, PrecisionRecall, ScoredVideo
    from lapsdata.stages._report_header import ReportedVideo

__all__ = ["Figure", "PageContent", "Picture", "page"]

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #26303b; --faint: #5d6873; --line: #dfe3e8; --tint: #f5f6f8;
  --bad: #a83246; --link: #2f6299; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161616; --ink: #d9dee4; --faint: #98a2ad; --line: #383a3d; --tint: #1f2022; --bad: #ee8797;
    --link: #8ab8e8; }
  figure img { filter: invert(0.915) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 54rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 2.75rem 0 0.5rem; font-size: 1.2rem; }
h3 { margin: 2.25rem 0 0; font-size: 1rem; overflow-wrap: anywhere; }
p { margin: 0.4rem 0; }
a { color: var(--link); }
.lead, .facts, figcaption, footer { color: var(--faint); }
.facts, footer, figcaption { font-size: 0.9rem; }
.told { margin: 1rem 0; padding: 0.6rem 0.9rem; border-left: 3px solid var(--line); background: var(--tint); }
.told.bad { border-color: var(--bad); }
.note { margin: 0 0 1.5rem; padding: 0.4rem 0.9rem; background: #b8475a; color: #fff; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; }
th:not(:last-child), td:not(:last-child) { padding-right: 1.2rem; }
thead th { border-bottom: 1px solid var(--ink); white-space: nowrap; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.facts-table th { color: var(--faint); font-weight: 400; white-space: nowrap; }
.numbers td { white-space: nowrap; }
.numbers tbody th { font-weight: 400; white-space: nowrap; }
.numbers .first > * { font-weight: 600; }
.numbers .sub > th { padding-left: 1rem; color: var(--faint); }
.numbers td.bad { color: var(--bad); }
.sd { color: var(--faint); font-size: 0.85em; }
figure { margin: 0.5rem 0 0; overflow-x: auto; }
figure img { display: block; max-width: none; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
pre { margin: 0.5rem 0 0; font-size: 0.85rem; line-height: 1.4; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.92em; }
""".strip()


class PageContent(NamedTuple):
    """What a report shows; the first of the energies is the segmented one, tables are titles and plain text."""

    segments: Segments
    energies: tuple[Energies, ...]
    truth: Segments | None
    scores: SegmentationResult | None
    curve: BoundaryResult | None
    average: Average
    provenance: Provenance
    note: str | None = None
    problems: tuple[Problem, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()


class Picture(NamedTuple):
    """A timeline that was drawn: of which video, and how large it is."""

    video: ReportedVideo
    width_px: int
    height_px: int


class Figure(NamedTuple):
    """Another picture that was drawn: its address, and how large it is."""

    name: str
    width_px: int
    height_px: int


def page(given: PageContent, pictures: Sequence[Picture], curve: Figure | None = None) -> str:
    """Return the page: no clock, path or script; what others have named is escaped.

    Parameters
    ----------
    given : PageContent
    pictures : sequence of Picture
        One for each video of the segments, in their order.
    curve : Figure, optional
        F over tolerance.

    Examples
    --------
    >>> from lapsdata.stages._report_header import ReportedVideo
    >>> from lapsdata.testing.samples import sample_energies, sample_provenance, sample_segments
    >>> given = PageContent(sample_segments(), (sample_energies(),), None, None, None, "macro", sample_provenance())
    >>> counts = {"segments": 2, "truth": None, "measured": 4, "gated": 2, "missing": 0}
    >>> videos = [ReportedVideo(name=name, end_s=4.0, timeline=f"{name}.png", **counts) for name in ("one", "two")]
    >>> page(given, [Picture(video, 1440, 544) for video in videos]).splitlines()[0]
    '<!doctype html>'
    """
    title = plural(len(given.segments), "segment") + " in " + plural(len(given.segments.header.videos), "video")
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        "<header>",
        *(() if given.note is None else (f'<p class="note">{_text(given.note)}</p>',)),
        f"<h1>{_text(title)}</h1>",
        f'<p class="lead">{_lead(given)}</p>',
        *(f'<p class="told bad">{_text(_sentence(problem))}</p>' for problem in given.problems),
        "</header>",
        "<main>",
        *_overview(given),
        *(_scores(given.scores.boundaries, given.average) if given.scores is not None else ()),
        *(_curve(given.curve, given.scores, curve) if given.curve is not None and curve is not None else ()),
        *(line for title, text in (*_other_scores(given.scores), *given.tables) for line in _given_table(title, text)),
        "<h2>Timelines</h2>",
        f'<p class="facts">{_TIMELINES}</p>',
        *(
            line
            for picture, facts in zip(pictures, _video_facts(given), strict=True)
            for line in _section(picture, facts)
        ),
        "</main>",
        *_footer(given.provenance),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


_TIMELINES = (
    "Above, how much moves: a value for each moment, none where a gate skipped it or where it is missing. Below, what "
    "was found, coloured by why each segment ends or by label, and where a truth was given what is true, beside "
    "chance: as many cuts as were found, evenly spread. A label has one colour in all videos."
)


def _lead(given: PageContent) -> str:
    tool, told = given.segments.header.segmenter, given.energies[0].header
    what = f"{_code(told.mode)} of {_code(told.source)}"
    return f"Annotated, beside {what}." if tool is None else f"Found by {_code(tool.name)} in {what}."


def _overview(given: PageContent) -> Iterator[str]:
    segments = given.segments
    looked_at = sum(video.end_s - video.start_s for video in segments.header.videos)
    facts = [("Time", _duration(looked_at)), ("Segments", _lengths(segments.end_s - segments.start_s))]
    if len(segments):
        facts.append(("Ended by", _reasons(segments.end_reason)))
    if given.truth is not None:
        there = plural(len(given.truth.header.videos), "video")
        facts.append(("Truth", f"{plural(len(given.truth), 'segment')} in {there}"))
    tool = segments.header.segmenter
    if tool is not None:
        facts.append(("Segmenter", f"{_code(tool.name)} {_text(tool.version)}{_parameters(tool.parameters)}"))
    facts += [("Energies", _energies(one)) for one in given.energies]
    smoothing = segments.header.provenance.parameters.get("smoothing")
    if smoothing is not None and given.energies[0].header.smoothing is None:
        facts.append(("Smoothing", f"{_text(str(smoothing))}, before they were segmented"))
    yield "<h2>What was done</h2>"
    yield from _table(facts)


def _table(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield '<div class="wide"><table class="facts-table"><tbody>'
    for name, value in facts:
        yield f"<tr><th>{name}</th><td>{value}</td></tr>"
    yield "</tbody></table></div>"


def _parameters(told: Mapping[str, JsonValue]) -> str:
    words = [f"{name} {_value(value)}" for name, value in told.items()]
    return f": {_text(', '.join(words))}" if words else ""


def _value(value: JsonValue) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _energies(one: Energies) -> str:
    told = one.header
    counts = np.bincount(one.state, minlength=len(ENERGY_STATES)).tolist()
    states = ", ".join(f"{count} {word}" for word, count in zip(ENERGY_STATES, counts, strict=True) if count)
    smoothed = "" if told.smoothing is None else f", smoothed by {_text(told.smoothing)}"
    rows = f"{plural(len(one), 'row')} of {plural(len(told.videos), 'video')}{f' ({states})' if states else ''}"
    return (
        f"{_code(told.mode)} of {_code(told.source)}, per {told.per}, support {told.support_s:.3g} s{smoothed}: {rows}"
    )


def _scores(result: BoundaryResult, average: Average) -> Iterator[str]:
    verdict = not_above_chance(result, average=average)
    means = "mean over the videos" if average == "macro" else "of the counts of all videos together"
    rules = result.rules
    yield "<h2>Scores</h2>"
    yield (
        f'<p class="told bad">{_text(verdict)}</p>'
        if verdict
        else '<p class="told">The prediction is above every row of chance at every tolerance.</p>'
    )
    true, found = (sum(getattr(video, name) for video in result.videos) for name in ("truth", "found"))
    videos = plural(len(result.videos), "video")
    yield (
        f'<p class="facts">Boundary F ({average}: {means}) by tolerance; {videos}, '
        f"{true} true boundaries, {found} found; matching {rules.matching}, counting {rules.counting}. "
        "Distance: median seconds from a true boundary to the nearest found one. "
        'The same as <a href="scores.txt">text</a> and as <a href="scores.json">data</a>.</p>'
    )
    yield '<div class="wide"><table class="numbers"><thead><tr><th></th>'
    yield "".join(f"<th>{tolerance:g} s</th>" for tolerance in rules.tolerances_s) + "<th>distance</th>"
    yield "</tr></thead><tbody>"
    for row in result.rows:
        yield from _score_rows(row, result, average)
    yield "</tbody></table></div>"


def _other_scores(result: SegmentationResult | None) -> Iterator[tuple[str, str]]:
    """Yield title and text of the scores that are not of boundaries."""
    if result is not None and result.labels is not None:
        yield "Labels", label_table(result.labels)
    if result is not None and result.detections is not None:
        yield "Whole segments", ap_table(result.detections)
    if result is not None and result.clusters is not None:
        yield "Clusters", cluster_table(result.clusters)


def _curve(curve: BoundaryResult, scores: SegmentationResult | None, figure: Figure) -> Iterator[str]:
    count = len(curve.rules.tolerances_s)
    anew = (
        f'Taken by the same rules at {count} tolerances, also as <a href="curve.json">data</a>.'
        if scores is None or curve is not scores.boundaries
        else f"At the {count} tolerances of the scores."
    )
    yield f'<p class="facts">F over tolerance. {anew}</p>'
    yield from _figure(
        figure.name, figure.width_px, figure.height_px, "F over tolerance, the prediction beside rows of chance"
    )


def _given_table(title: str, text: str) -> Iterator[str]:
    yield f"<h2>{_text(title)}</h2>"
    yield f'<div class="wide"><pre>{chr(10).join(_text(line) for line in text.splitlines())}</pre></div>'


def _figure(name: str, width_px: int, height_px: int, alt: str) -> Iterator[str]:
    # Pictures have two pixels for each of the page's.
    size = f'width="{width_px // 2}" height="{height_px // 2}"'
    yield f'<figure><img src="{escape(quote(name))}" {size} loading="lazy" alt="{alt}"></figure>'


def _score_rows(row: BoundaryRow, result: BoundaryResult, average: Average) -> Iterator[str]:
    ours = row.kind == "prediction"
    cells = []
    for at, score in enumerate(row.scores):
        of: PrecisionRecall = getattr(score, average)
        sd = getattr(score, f"{average}_f_sd")
        lost = ours and of.f <= best_chance(result, at, average=average)[0]
        spread = "" if sd is None else f' <span class="sd">± {sd:.3f}</span>'
        cells.append(f"<td{' class=bad' if lost else ''}>{of.f:.3f}{spread}</td>")
    median = None if row.deviation is None else getattr(row.deviation, average).truth_to_found_s
    cells.append(f"<td>{'' if row.deviation is None else '-' if median is None else f'{median:.3f}'}</td>")
    name = f"{row.name} (oracle)" if row.kind == "oracle" else row.name
    yield f"<tr{' class=first' if ours else ''}><th>{_text(name)}</th>{''.join(cells)}</tr>"
    for word in ("precision", "recall") if ours else ():
        numbers = "".join(f"<td>{getattr(getattr(score, average), word):.3f}</td>" for score in row.scores)
        yield f"<tr class=sub><th>{word}</th>{numbers}<td></td></tr>"


def _video_facts(given: PageContent) -> Iterator[str]:
    """Yield a line for each video of the segments."""
    segments, scores = given.segments, None if given.scores is None else given.scores.boundaries
    edges = np.searchsorted(segments.video_index, np.arange(len(segments.header.videos) + 1)).tolist()
    scored = {} if scores is None else {video.name: video for video in scores.videos}
    for number, video in enumerate(segments.header.videos):
        rows = slice(edges[number], edges[number + 1])
        length = segments.end_s[rows] - segments.start_s[rows]
        facts = [_duration(video.end_s - video.start_s), _lengths(length)]
        if len(length):
            facts.append(f"ended by {_reasons(segments.end_reason[rows])}")
        if scores is not None and video.name in scored:
            facts.append(_video_score(scored[video.name], scores.rules.tolerances_s))
        yield _text("; ".join(facts))


def _video_score(video: ScoredVideo, tolerances_s: Sequence[float]) -> str:
    both = video.truth + video.found
    values = [2 * hits / both if both else 1.0 for hits in video.hits]
    told = ", ".join(f"{f:.2f} at {tolerance:g} s" for f, tolerance in zip(values, tolerances_s, strict=True))
    return f"boundary F {told}"


def _section(picture: Picture, facts: str) -> Iterator[str]:
    video = picture.video
    true = "" if video.truth is None else f"; {plural(video.truth, 'true segment')}"
    yield f"<section><h3>{_text(video.name)}</h3>"
    yield f'<p class="facts">{facts}{true}</p>'
    yield from _figure(video.timeline, picture.width_px, picture.height_px, "Timeline: energies above, segments below")
    yield "</section>"


def _footer(made: Provenance) -> Iterator[str]:
    yield "<footer><p>Made of</p>"
    yield from _table((parent.role, f"{_text(parent.name)} {_code(parent.digest[7:19])}") for parent in made.parents)
    yield (
        f"<p>by {_text(made.producer)} {_text(made.version)}, code <code>{made.code_digest[7:19]}</code>. "
        'What is in this folder: <a href="report.json">report.json</a>.</p></footer>'
    )


def _lengths(length: npt.NDArray[np.float64]) -> str:
    told = plural(len(length), "segment")
    return f"{told}, median {np.median(length):.2f} s, {length.sum():.1f} s in all" if len(length) else told


def _reasons(given: Iterable[str]) -> str:
    count = Counter(given)
    return ", ".join(f"{reason.replace('_', ' ')} {count[reason]}" for reason in END_REASONS if count[reason])


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min {rest:02d} s" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def _sentence(problem: Problem) -> str:
    return f"{problem.message}{'; ' + problem.fix if problem.fix else ''}."


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    return escape(shown(text))
