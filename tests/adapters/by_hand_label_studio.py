"""Tasks of Label Studio as its exports have them, made by hand, and boxes as rows that can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[1] / "samples" / "label_studio"
LOCAL = "/data/local-files/?d=train/A/img1/{:06d}.jpg"


def rectangle(
    name: str | None = "a",
    x: Any = 10,
    y: Any = 20,
    width: Any = 10,
    height: Any = 40,
    *,
    label: Any = "player",
    rotation: Any = 0,
    size: tuple[Any, Any] | None = (200, 100),
    **more: Any,
) -> dict[str, Any]:
    """Return a region of type rectanglelabels; of an image of 200 x 100 pixels, where nothing else is said."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation}
    if label is not None:
        value["rectanglelabels"] = label if isinstance(label, list) else [label]
    item = {"id": name, "type": "rectanglelabels", "value": value, "to_name": "image", "from_name": "label"}
    if size is not None:
        item |= {"original_width": size[0], "original_height": size[1]}
    return {**item, **more}


def keyframe(frame: Any, enabled: Any, x: Any = 10, **more: Any) -> dict[str, Any]:
    return {"frame": frame, "enabled": enabled, "x": x, "y": 10, "width": 10, "height": 20, "rotation": 0, **more}


def track(
    name: str | None,
    sequence: Any,
    *,
    size: tuple[int, int] | None = (200, 100),
    label: str | None = "player",
    value: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a region of type videorectangle, of ten frames in 0.4 seconds where nothing else is said."""
    told = {"framesCount": 10, "duration": 0.4} if value is None else value
    item: dict[str, Any] = {"id": name, "type": "videorectangle", "to_name": "video", "from_name": "box"}
    item["value"] = {**told, "sequence": sequence}
    if label is not None:
        item["value"]["labels"] = [label]
    if size is not None:
        item |= {"original_width": size[0], "original_height": size[1]}
    return {**item, **more}


def annotation(*regions: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "result": list(regions), "was_cancelled": False, "ground_truth": False, **more}


def task(number: int, *annotations: Any, image: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the task of an image: of frame `number` of a sequence A, where no other is named."""
    data = {"image": LOCAL.format(number) if image is None else image}
    return {"id": number, "data": data, "annotations": list(annotations), "predictions": [], **more}


def video_task(*regions: Any, video: str = "s3://bucket/clips/rally.mp4", **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"video": video}, "annotations": [annotation(*regions)], **more}


def saved(folder: Path, document: Any, name: str = "export.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def rows(boxes: Any) -> list[tuple[Any, ...]]:
    """Return sequence, frame, id and label of each box."""
    names = [sequence.name for sequence in boxes.header.sequences]
    return [
        (names[at], frame, who, label)
        for at, frame, who, label in zip(
            boxes.sequence_index.tolist(), boxes.frame.tolist(), boxes.id.tolist(), boxes.label, strict=True
        )
    ]


def places(boxes: Any) -> list[tuple[float, ...]]:
    return list(zip(boxes.x.tolist(), boxes.y.tolist(), boxes.w.tolist(), boxes.h.tolist(), strict=True))


def ranges(boxes: Any, at: int = 0) -> list[tuple[int, int]]:
    return [(span.start, span.stop) for span in boxes.header.sequences[at].annotated]


def codes(notes: Any) -> list[str]:
    return [note.code for note in notes]


def told(notes: Any, code: str) -> str:
    """Return the one note of a kind as a user reads it."""
    (note,) = [note for note in notes if note.code == code]
    return str(note)
