"""A format in one file: segments as lines of text, below their header."""

from pathlib import Path

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problem, SchemaError
from lapsdata.formats import Format, WriteReport
from lapsdata.schema import SegmentsHeader

MARK = "laps-sample segments"


def write(path: Path, container: Segments, *, overwrite: bool = False) -> WriteReport:
    if container.score is not None or container.codes is not None or container.embedding is not None:
        message = "expected segments without score, codes and embedding, which this format cannot hold"
        raise SchemaError(Problem("cannot-hold", str(path), message, "write segments_parquet"))
    rows = zip(
        container.video_index.tolist(),
        container.start_s.tolist(),
        container.end_s.tolist(),
        container.end_reason,
        (label or "" for label in container.label),
        strict=True,
    )
    lines = [MARK, container.header.to_bytes().decode(), *("\t".join(map(str, row)) for row in rows)]
    with path.open("w" if overwrite else "x") as file:
        file.write("\n".join(lines) + "\n")
    return WriteReport(path, PLUGIN.name, path.stat().st_size)


def read(path: Path, *, verify: str = "first") -> Segments:
    """There are no checksums here, so nothing can be verified."""
    _, header, *lines = path.read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return Segments(
        SegmentsHeader.parse(header, str(path)),
        np.array([int(row[0]) for row in rows], np.int64),
        np.array([float(row[1]) for row in rows]),
        np.array([float(row[2]) for row in rows]),
        tuple(row[3] for row in rows),
        tuple(row[4] or None for row in rows),
    )


def recognises(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


PLUGIN = Format("segments_text", "segments", "text", (".segments",), Segments, recognises, read, write)
