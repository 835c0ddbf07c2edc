"""JSON with boxes, made by hand, and what is read of boxes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Row = tuple[str, int, tuple[float, ...], float | None]


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def rows(boxes: Any) -> list[Row]:
    """Return each box: its sequence, the number of its frame, its place from the edge of the frame, and its score."""
    sequences = boxes.header.sequences
    sides = zip(boxes.x + 0.5, boxes.y + 0.5, boxes.w, boxes.h, strict=True)
    score = [None] * len(boxes) if boxes.score is None else boxes.score.tolist()
    return [
        (sequences[at].name, frame + sequences[at].first_number, tuple(map(float, four)), one)
        for at, frame, four, one in zip(boxes.sequence_index.tolist(), boxes.frame.tolist(), sides, score, strict=True)
    ]


def spans(boxes: Any) -> dict[str, list[tuple[int, int]]]:
    """Return what of each sequence is annotated: the numbers of the first and the last frame of each span."""
    return {
        one.name: [(span.start + one.first_number, span.stop - 1 + one.first_number) for span in one.annotated]
        for one in boxes.header.sequences
    }


def codes(notes: Any) -> set[str]:
    return {note.code for note in notes}
