"""What all records share: strictness, `x-` keys, versions, provenance, and errors that name every problem.

A record is the contract of a header, a table row or a sidecar file. The pydantic class is the judge; the
JSON Schema that `lapsdata schema export` writes is the same contract for other languages, as far as JSON Schema
can say it (it cannot say "as long as that list").
"""

from __future__ import annotations

import difflib
import json
import re
import warnings
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import PlainValidator
from pydantic.json_schema import WithJsonSchema

from lapsdata.errors import FormatTooNewError, LapsWarning, Problem, SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.timebase import FrameRate

__all__ = [
    "Count",
    "Digest",
    "Header",
    "Name",
    "Parent",
    "Provenance",
    "Rate",
    "Record",
    "Size",
    "Tool",
    "ViewName",
    "canonical_json",
]

_EXTRA_KEY = r"^x-[a-z0-9]+(-[a-z0-9]+)*$"
_RATE = r"^[1-9][0-9]*(/[1-9][0-9]*)?$"


def canonical_json(value: JsonValue) -> bytes:
    """Return the one spelling of a JSON value that digests are taken of: sorted keys, no spaces, UTF-8.

    Parameters
    ----------
    value : JSON value
        NaN and infinities are refused, since JSON has no word for them.

    Raises
    ------
    ValueError
        `value` holds NaN or an infinity.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, None]})
    b'{"a":[0.5,null],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _close_to_extras(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = False
    schema["patternProperties"] = {_EXTRA_KEY: True}


class Record(BaseModel):
    """A frozen, strict record; unknown keys are errors unless they begin with `x-`."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_extra=_close_to_extras,
        validate_default=True,
    )
    __pydantic_extra__: dict[Annotated[str, Field(pattern=_EXTRA_KEY)], JsonValue]

    def as_json(self) -> dict[str, JsonValue]:
        """Return the record as JSON-ready values, `x-` keys included."""
        document: dict[str, JsonValue] = self.model_dump(mode="json")
        return document

    def to_bytes(self) -> bytes:
        """Return the record as canonical JSON: equal records give equal bytes."""
        return canonical_json(self.as_json())

    @classmethod
    def build(cls, where: str = "", **fields: Any) -> Self:  # noqa: ANN401 - any JSON-like value may be a field
        """Make a record from Python values, with this library's errors instead of pydantic's.

        Raises
        ------
        SchemaError
            Every key that is unknown, missing, or of a wrong type or range.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise SchemaError(*explain(error, cls, where or cls.__name__)) from None

    @classmethod
    def parse(cls, data: bytes | str, where: str = "") -> Self:
        """Read a record from JSON.

        Parameters
        ----------
        data : bytes or str
            One JSON object; a key that stands twice is refused.
        where : str
            File and place, for the messages.

        Raises
        ------
        SchemaError
            Not JSON, or keys that are unknown, missing, or of a wrong type or range.
        """
        where = where or cls.__name__
        document = _load_object(data, where)
        try:
            # Through JSON once more: strict mode lets a JSON list stand for a tuple, but not a Python one.
            return cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            raise SchemaError(*explain(error, cls, where)) from None


class Header(Record):
    """A record that opens a file: names its format and version, and who made it from what."""

    RECORD: ClassVar[str]
    MAJOR: ClassVar[int] = 1
    MINOR: ClassVar[int] = 0

    format_version: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$")] = "1.0"
    """Major and minor version of the format; readers refuse a newer major version."""
    provenance: Provenance
    """Who wrote this, with which code, from which parents."""
    policies: dict[str, Count] = Field(default_factory=dict)
    """How many items each named policy has touched (clipped, replaced, left out ...); nothing else is altered."""

    @classmethod
    def parse(cls, data: bytes | str, where: str = "") -> Self:
        """Read a header; see `Record.parse`.

        Keys that a newer minor version added are kept under `x-newer-<key>` and named in a warning.

        Raises
        ------
        SchemaError
            Not JSON, not this kind of header, or a key at fault.
        FormatTooNewError
            The major version is newer than this release knows.
        """
        where = where or cls.RECORD
        document = _load_object(data, where)
        cls._check_version(document, where)
        return super().parse(json.dumps(document), where)

    @classmethod
    def _check_version(cls, document: dict[str, JsonValue], where: str) -> None:
        """Refuse a newer major version; set aside the keys of a newer minor one."""
        found = document.get("format")
        if isinstance(found, str) and found != f"lapsdata.{cls.RECORD}":
            message = f"expected a header of format 'lapsdata.{cls.RECORD}', got '{found}'"
            raise SchemaError(Problem("wrong-format", where, message, "open it with the reader of that format"))
        version = str(document.get("format_version", ""))
        major, _, minor = version.partition(".")
        if not (major.isdigit() and minor.isdigit()):
            return  # the record's own check says what is wrong with it
        if int(major) > cls.MAJOR:
            message = f"written in {cls.RECORD} format {version}, this release reads up to {cls.MAJOR}.{cls.MINOR}"
            raise FormatTooNewError(
                Problem(
                    "format-too-new",
                    where,
                    message,
                    "install a newer release: pip install --upgrade lapsdata",
                )
            )
        if int(major) == cls.MAJOR and int(minor) > cls.MINOR:
            newer = sorted(k for k in document if k not in cls.model_fields and not k.startswith("x-"))
            for key in newer:
                document["x-newer-" + key.replace("_", "-")] = document.pop(key)
            if newer:
                warnings.warn(
                    f"{where}: format {version} has keys that this release ignores: {', '.join(newer)}",
                    LapsWarning,
                    stacklevel=4,
                )


def _load_object(data: bytes | str, where: str) -> dict[str, JsonValue]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise SchemaError(Problem("duplicate-key", where, f"expected each key once, got twice: {', '.join(twice)}"))
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        document = json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(
            Problem("not-json", where, f"expected one JSON object, got unreadable text ({error})")
        ) from None
    if not isinstance(document, dict):
        raise SchemaError(Problem("not-json", where, f"expected one JSON object, got {type(document).__name__}"))
    return document


def explain(error: ValidationError, record: type[BaseModel], where: str) -> list[Problem]:
    """Turn pydantic's errors into problems that say expected, got, and the nearest known key."""
    found = []
    for item in error.errors(include_url=False):
        path = ".".join(str(part) for part in item["loc"])
        place = f"{where}: {path}" if path else where
        last = str(item["loc"][-1]) if item["loc"] else ""
        pattern = item.get("ctx", {}).get("pattern")
        if item["type"] == "string_pattern_mismatch" and pattern == _EXTRA_KEY:
            near = difflib.get_close_matches(last, record.model_fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "own keys begin with 'x-'"
            found.append(Problem("unknown-key", place, f"expected a known key, got '{last}'", hint))
        elif item["type"] == "missing":
            found.append(Problem("missing-key", place, "expected a value, got nothing", f"add the key '{last}'"))
        else:
            got = _short(item["input"])
            found.append(Problem("wrong-value", place, f"{_lower_first(item['msg'])}, got {got}"))
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lower_first(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text.replace("Input should be", "expected", 1) if text.startswith("Input") else text[:1].lower() + text[1:]


def _parse_rate(value: object) -> FrameRate:
    if isinstance(value, FrameRate):
        return value
    if not isinstance(value, str) or re.fullmatch(_RATE, value) is None:
        raise ValueError("expected a fraction as text like '30000/1001'")
    return FrameRate.parse(value)


Count = Annotated[int, Field(ge=0)]
"""A number of things: an integer that is not negative."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")]
"""The name of an item or tool: no slashes and no dot in front, so that it can name a file and never a path."""

ViewName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""The name of a view: also a group in HDF5 and Zarr, so plain letters, digits, `_`, `-` and `.` only."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A SHA-256 digest, spelled `sha256:<64 hex digits>`."""

Rate = Annotated[
    FrameRate,
    PlainValidator(_parse_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _RATE}),
]
"""Frames per second as an exact fraction, spelled `30000/1001` or `25`."""


class Size(Record):
    """Width and height of a frame, in pixels."""

    width: Annotated[int, Field(ge=1)]
    """Pixels from left to right."""
    height: Annotated[int, Field(ge=1)]
    """Pixels from top to bottom."""

    @property
    def frame(self) -> FrameSize:
        """The same size as the value that `lapsdata.geometry` takes."""
        return FrameSize(width=self.width, height=self.height)


class Parent(Record):
    """A file that this one was made from."""

    role: Name
    """What it was used as: `video`, `tracks`, `tokenizer` ..."""
    name: Name
    """Its name without folders; paths never stand in a header."""
    digest: Digest
    """Digest of its content."""


class Provenance(Record):
    """Who made a file, with which code and parameters, from which parents. No clock, host or path."""

    producer: Name
    """Program or package that wrote the file."""
    version: Annotated[str, Field(min_length=1)]
    """Version of the producer."""
    code_digest: Digest
    """Digest of the producer's source code."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """What the producer was told."""
    parents: tuple[Parent, ...] = ()
    """The files it was made from."""


class Tool(Record):
    """A tracker, tokenizer or segmenter: name, version, and the parameters it ran with."""

    name: Name
    """Registry name."""
    version: Annotated[str, Field(min_length=1)]
    """Version of the tool or of the distribution that brings it."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """The parameters it ran with."""


Header.model_rebuild()
