"""What the yaml of one frame says of the cameras and the LiDAR: as numbers, and quickly.

A frame has some hundred lines, most of them of vehicles and plans, and a data set tens of thousands of frames. PyYAML,
which writes all of them, spells lists of numbers in one way; of a text without quotes, tags, anchors or comments, the
parts that are spelled so are taken as they stand. Everything else goes through the YAML reader.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters.opv2v.yaml_text import brief, load_yaml, plain_number
from lapsdata.errors import Problem, Problems, SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CAMERA_NUMBERS", "LIDAR_NUMBERS", "FrameFacts", "read_facts", "spelled_facts"]

LIDAR_NUMBERS = 6
"""Numbers of the LiDAR: x, y, z, roll, yaw, pitch; NaN where a file has none."""

CAMERA_NUMBERS = 6 + 16 + 9
"""Numbers of a camera: x, y, z, roll, yaw, pitch, the extrinsic (NaN where a file has none), the intrinsic."""

_CAMERA = re.compile(r"camera(\d{1,3})", re.ASCII)
_LISTS = {"cords": (6,), "extrinsic": (4, 4), "intrinsic": (3, 3)}
# Other characters may begin comments, quotes, tags or lists in brackets.
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ .:\n+-"
# A zero in front would make an octal number of it.
_NUMBER = rb"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"


class FrameFacts(NamedTuple):
    """Poses and matrices of one frame.

    Parameters
    ----------
    cameras : tuple of str
        Their names, in the order of their numbers.
    numbers : tuple of float
        Of the LiDAR, then of each camera; see `LIDAR_NUMBERS` and `CAMERA_NUMBERS`.

    Examples
    --------
    >>> facts = FrameFacts(("camera0",), (0.0,) * 6 + (1.0,) * 31)
    >>> facts.lidar == (0.0,) * 6, facts.camera(0) == (1.0,) * 31
    (True, True)
    """

    cameras: tuple[str, ...]
    numbers: tuple[float, ...]

    @property
    def lidar(self) -> tuple[float, ...]:
        """Those of the LiDAR."""
        return self.numbers[:LIDAR_NUMBERS]

    def camera(self, place: int) -> tuple[float, ...]:
        """Return those of a camera, by its place among `cameras`."""
        start = LIDAR_NUMBERS + CAMERA_NUMBERS * place
        return self.numbers[start : start + CAMERA_NUMBERS]


def read_facts(data: bytes, where: str) -> FrameFacts:
    r"""Return what the yaml of a frame says.

    Parameters
    ----------
    data : bytes
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Not YAML (see `load_yaml`), no cameras and no LiDAR (`no-poses`), lists that are not of the documented shape or
        hold something else than finite numbers (`wrong-value`), or an intrinsic of no camera (`wrong-intrinsic`).

    Examples
    --------
    >>> text = b"lidar_pose: [1, 2, 3, 4, 5, 6]\ncamera0:\n  cords: [1, 2, 3, 0, 90, 0]\n" + (
    ...     b"  intrinsic: [[5, 0, 4], [0, 5, 3], [0, 0, 1]]\n")
    >>> facts = read_facts(text, "000069.yaml")
    >>> facts.cameras, facts.numbers[6:12]
    (('camera0',), (1.0, 2.0, 3.0, 0.0, 90.0, 0.0))
    """
    facts = spelled_facts(data) or _told_facts(load_yaml(data, where), where)
    _expect_lenses(facts, where)
    return facts


def spelled_facts(data: bytes) -> FrameFacts | None:
    r"""Return the facts of a text as PyYAML writes it in blocks; None of any other, which a YAML reader has to read.

    Examples
    --------
    >>> spelled_facts(b"lidar_pose: [1, 2, 3, 4, 5, 6]\n") is None
    True
    """
    if data.translate(None, _PLAIN) or b"---" in data or b"..." in data:
        return None
    text = b"\n" + data
    lidars, blocks = _lidar().findall(text), _block().findall(text)
    if len(lidars) != 1 or text.count(b"\nlidar_pose") != 1 or text.count(b"\ncamera") != len(blocks) or not blocks:
        return None
    cameras = [(int(number), block) for number, block in blocks]
    if len({number for number, _ in cameras}) < len(cameras):
        return None
    numbers = _floats(lidars[0])
    for _, block in sorted(cameras):
        numbers += _floats(block)
    if not all(map(math.isfinite, numbers)):
        return None
    return FrameFacts(tuple(f"camera{number}" for number, _ in sorted(cameras)), tuple(numbers))


def _expect_lenses(facts: FrameFacts, where: str) -> None:
    """Refuse intrinsics that are not focal lengths and a middle: a skewed or turned picture has no model."""
    problems = Problems(where)
    for place, camera in enumerate(facts.cameras):
        intrinsic = list(facts.camera(place)[22:])
        fx, skew, _, turn, fy, _, *last = intrinsic
        if fx <= 0 or fy <= 0 or skew or turn or last != [0.0, 0.0, 1.0]:
            message = f"expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths, got {intrinsic}"
            problems.add("wrong-intrinsic", f"{camera}: intrinsic", message, "write the matrix of the camera")
    problems.raise_as(SchemaError)


def _floats(block: bytes) -> list[float]:
    return [float(word) for word in block.split() if word[-1:] not in b"-:"]


@functools.cache
def _lidar() -> re.Pattern[bytes]:
    return re.compile(rb"\nlidar_pose:((?:\n- " + _NUMBER + rb"){6})(?=\n[^- ]|\n?\Z)")


@functools.cache
def _block() -> re.Pattern[bytes]:
    """Return what matches the block of a camera, whose three lists stand in the order of the alphabet."""
    parts = []
    for name, shape in _LISTS.items():
        inner = rb"\n    - " + _NUMBER
        row = rb"\n  - " + (_NUMBER if len(shape) == 1 else rb"- " + _NUMBER + inner * (shape[1] - 1))
        parts.append(rb"\n  " + name.encode() + rb":(?:" + row + rb"){" + str(shape[0]).encode() + rb"}")
    return re.compile(rb"\ncamera(0|[1-9][0-9]{0,2}):(" + b"".join(parts) + rb")(?=\n[^- ]|\n?\Z)")


def _told_facts(document: Any, where: str) -> FrameFacts:  # noqa: ANN401 - any YAML
    """Return the facts of a document that was read as YAML."""
    if not isinstance(document, dict):
        message = f"expected the description of a frame, got {type(document).__name__}"
        raise SchemaError(Problem("no-poses", where, message, "copy the file again"))
    names = [key for key in document if isinstance(key, str) and _CAMERA.fullmatch(key)]
    cameras = sorted(names, key=lambda name: int(name.removeprefix("camera")))
    problems = Problems(where)
    if not cameras and "lidar_pose" not in document:
        problems.add("no-poses", "", "expected camera0 or lidar_pose, got neither", "copy the file again")
    lidar = document.get("lidar_pose")
    numbers = [math.nan] * LIDAR_NUMBERS if lidar is None else _list(lidar, (6,), "lidar_pose", problems)
    for name in cameras:
        told = document[name] if isinstance(document[name], dict) else {}
        for key, shape in _LISTS.items():
            if key == "extrinsic" and key not in told:
                numbers += [math.nan] * math.prod(shape)
            else:
                numbers += _list(told.get(key), shape, f"{name}: {key}", problems)
    problems.raise_as(SchemaError)
    return FrameFacts(tuple(cameras), tuple(numbers))


def _list(value: Any, shape: Sequence[int], where: str, problems: Problems) -> list[float]:  # noqa: ANN401 - any YAML
    """Return the numbers of a list, or of a list of lists, one after the other."""
    rows = value if len(shape) == 2 else [value]
    if isinstance(rows, list) and len(rows) == (shape[0] if len(shape) == 2 else 1):
        flat = [one for row in rows if isinstance(row, list) and len(row) == shape[-1] for one in row]
        good = [number for one in flat if (number := plain_number(one)) is not None]
        if len(good) == math.prod(shape):
            return good
    wanted = " x ".join(map(str, shape))
    problems.add("wrong-value", where, f"expected {wanted} finite numbers, got {brief(value)}", "copy the file again")
    return [math.nan] * math.prod(shape)
