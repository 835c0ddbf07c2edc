"""What all records share: strictness, `x-` keys, versions, provenance, and errors that name every problem.

A record is the contract of a header, a table row or a sidecar file. The pydantic class is the judge; the
JSON Schema that `lapsdata schema export` writes is the same contract for other languages, as far as JSON Schema
can say it (it cannot say "as long as that list").
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import AfterValidator, PlainValidator
from pydantic.json_schema import WithJsonSchema

from lapsdata.errors import FormatTooNewError, Problem, SchemaError, warn
from lapsdata.geometry import FrameSize
from lapsdata.schema._reading import EXTRA_KEY, NAME, explain, load_object, set_aside, unknown_keys
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    # pydantic names its metaclass in no public place.
    from pydantic._internal._model_construction import ModelMetaclass as _RecordType
else:

    class _RecordType(type(BaseModel)):
        """Makes calling a record raise this library's errors; hidden from checkers, which know each record's fields."""

        def __call__(cls, /, *args: Any, **fields: Any) -> Any:  # noqa: ANN401 - any record, of any values
            try:
                return super().__call__(*args, **fields)
            except ValidationError as error:
                raise SchemaError(*explain(error, cls, cls.__name__)) from None


__all__ = [
    "LARGEST_WHOLE",
    "Count",
    "Digest",
    "FormatVersion",
    "Header",
    "Name",
    "Parameters",
    "Parent",
    "Positive",
    "Provenance",
    "Rate",
    "Record",
    "Size",
    "Text",
    "Tool",
    "ViewName",
    "canonical_json",
]

_INSTALL = "install a newer release: pip install --upgrade lapsdata"
_IDENTITY = ("format", "format_version")
_RATE = r"^[1-9][0-9]*(/[1-9][0-9]*)?$"


def canonical_json(value: JsonValue) -> bytes:
    """Return the one spelling of a JSON value that digests are taken of: sorted keys, no spaces, UTF-8.

    Parameters
    ----------
    value : JSON value
        NaN, infinities and lone surrogates are refused: JSON has no word for them, UTF-8 no bytes.

    Raises
    ------
    ValueError
        `value` holds NaN, an infinity, or (UnicodeEncodeError) half of a surrogate pair.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [0.5, None]})
    b'{"a":[0.5,null],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _close_to_extras(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = False
    schema["patternProperties"] = {EXTRA_KEY: True}


def _name_itself(schema: dict[str, Any]) -> None:
    """Require a header on disk to say what it is, though Python fills that in."""
    _close_to_extras(schema)
    schema["required"] = sorted({*schema.get("required", ()), *_IDENTITY})


def _spellable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Refuse what no file can hold and pydantic does not look for everywhere: halves of surrogate pairs, NaN."""
    try:
        canonical_json(value)
    except UnicodeEncodeError:
        raise ValueError("expected text that UTF-8 can spell") from None
    except ValueError:
        raise ValueError("expected finite numbers") from None
    return value


Text = Annotated[str, AfterValidator(_spellable)]
"""Any text that a file can hold."""

Parameters = Annotated[dict[str, JsonValue], AfterValidator(_spellable)]
"""What a program was told: any JSON object."""


class Record(BaseModel, metaclass=_RecordType):
    """A frozen, strict record; unknown keys are errors unless they begin with `x-`.

    Calling it checks every value; `SchemaError` names each key that is unknown, missing, or of a wrong type or
    range.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_extra=_close_to_extras,
        validate_default=True,
    )
    # Checkers without pydantic's own rules would take it for an argument that is missing.
    __pydantic_extra__: dict[
        Annotated[str, Field(pattern=EXTRA_KEY)], Annotated[JsonValue, AfterValidator(_spellable)]
    ] = Field(init=False)

    def as_json(self) -> dict[str, JsonValue]:
        """Return the record as JSON-ready values, `x-` keys included."""
        document: dict[str, JsonValue] = self.model_dump(mode="json")
        return document

    def to_bytes(self) -> bytes:
        """Return the record as canonical JSON: records that say the same give the same bytes.

        As in JSON, 1 and 1.0 are two spellings, and so are 0.0 and -0.0, although they compare equal.
        """
        return canonical_json(self.as_json())

    def checked(self, where: str = "") -> Self:
        """Return the record that a reader will find once this one has been written.

        For records of unknown origin: pydantic's `model_copy(update=...)` puts in whatever it is given.

        Parameters
        ----------
        where : str
            Place, for the messages.

        Raises
        ------
        SchemaError
            Keys that are unknown, missing, or of a wrong type or range.
        """
        where = where or type(self).__name__
        try:
            # Not in pydantic's JSON mode, which would write null for NaN and text for a path.
            text = json.dumps(self.model_dump(warnings=False), ensure_ascii=False)
            text.encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            message = f"expected values that JSON in UTF-8 can hold, got others ({error})"
            raise SchemaError(Problem("wrong-value", where, message)) from None
        return self._of_text(text, where)

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
        text, _ = load_object(data, where)
        return cls._of_text(text, where)

    @classmethod
    def _of_text(cls, text: str, where: str) -> Self:
        try:
            # From the text: strict mode lets a JSON list stand for a tuple, but not a Python one.
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise SchemaError(*explain(error, cls, where)) from None


FormatVersion = Annotated[str, Field(pattern=r"^1\.(0|[1-9][0-9]{0,8})$")]
"""Major and minor version of a format; readers refuse a newer major version."""


class Header(Record):
    """A record that opens a file: names its format and version, and who made it from what."""

    model_config = ConfigDict(json_schema_extra=_name_itself)

    RECORD: ClassVar[str]
    MAJOR: ClassVar[int] = 1
    MINOR: ClassVar[int] = 0

    format_version: FormatVersion = "1.0"
    """Major and minor version of the format; readers refuse a newer major version."""
    provenance: Provenance
    """Who wrote this, with which code, from which parents."""
    policies: dict[str, Count] = Field(default_factory=dict)
    """How many items each named policy has touched (clipped, replaced, left out ...); nothing else is altered."""

    @field_validator("format_version")
    @classmethod
    def _of_this_release(cls, version: str) -> str:
        """Say that a header of an older minor version is of this one: it lacks only what has a default."""
        return f"{cls.MAJOR}.{cls.MINOR}" if int(version.partition(".")[2]) < cls.MINOR else version

    @classmethod
    def parse(cls, data: bytes | str, where: str = "") -> Self:
        """Read a header; see `Record.parse`.

        Keys that a newer minor version added, here or in a nested record, are kept in their place under
        `x-newer-<key>` and named in a warning; the header is then one of this release's version, as one of an older
        minor version is.

        Raises
        ------
        SchemaError
            Not JSON, not this kind of header, or a key at fault.
        FormatTooNewError
            The major version is newer than this release knows.
        """
        where = where or cls.RECORD
        text, document = load_object(data, where)
        absent = [
            Problem("missing-key", f"{where}: {key}", "expected a value, got nothing", f"add the key '{key}'")
            for key in _IDENTITY
            if key not in document
        ]
        if absent:
            try:
                cls._of_text(text, where)
            except SchemaError as error:
                raise SchemaError(*absent, *error.problems) from None
            raise SchemaError(*absent)
        if not cls._is_newer(document, where):
            return cls._of_text(text, where)
        version = document["format_version"]
        try:
            return cls._of_text(cls._without_newer_keys(document, where), where)
        except SchemaError as error:
            advice = f"it is of format {version}, {_INSTALL}"
            raise SchemaError(*(replace(problem, fix=problem.fix or advice) for problem in error.problems)) from None

    @classmethod
    def _is_newer(cls, document: dict[str, JsonValue], where: str) -> bool:
        """Refuse another format and a newer major version; say whether the minor version is newer."""
        found = document.get("format")
        if isinstance(found, str) and found != f"lapsdata.{cls.RECORD}":
            message = f"expected a header of format 'lapsdata.{cls.RECORD}', got '{found}'"
            raise SchemaError(Problem("wrong-format", where, message, "open it with the reader of that format"))
        stated = document.get("format_version")
        version = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", stated) if isinstance(stated, str) else None
        if version is None:
            return False  # the record's own check says what is wrong with it
        major, minor = int(version[1]), int(version[2])
        if major > cls.MAJOR:
            known = f"{cls.MAJOR}.{cls.MINOR}"
            message = f"written in {cls.RECORD} format {version[0]}, this release reads up to {known}"
            raise FormatTooNewError(Problem("format-too-new", where, message, _INSTALL))
        return major == cls.MAJOR and minor > cls.MINOR

    @classmethod
    def _without_newer_keys(cls, document: dict[str, JsonValue], where: str) -> str:
        """Spell a header of a newer minor version as one of ours."""
        version = document["format_version"]
        document["format_version"] = f"{cls.MAJOR}.{cls.MINOR}"
        try:
            cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            newer = unknown_keys(error)
            if newer:
                named = ", ".join(sorted(".".join(str(part) for part in place) for place in newer))
                warn(f"{where}: format {version} has keys that this release ignores: {named}")
                set_aside(document, newer)
        return json.dumps(document)


def _parse_rate(value: object) -> FrameRate:
    if isinstance(value, FrameRate):
        return value
    if not isinstance(value, str) or re.fullmatch(_RATE, value) is None:
        raise ValueError("expected a fraction as text like '30000/1001'")
    return FrameRate.parse(value)


LARGEST_WHOLE = 2**53 - 1
"""Up to here every reader of JSON keeps an integer exactly (RFC 8259, section 6)."""

Count = Annotated[int, Field(ge=0, le=LARGEST_WHOLE)]
"""A number of things: an integer that is not negative."""

Positive = Annotated[int, Field(ge=1, le=LARGEST_WHOLE)]
"""A number of things of which there is at least one."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NAME)]
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

    width: Positive
    """Pixels from left to right."""
    height: Positive
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
    parameters: Parameters = Field(default_factory=dict)
    """What the producer was told."""
    parents: tuple[Parent, ...] = ()
    """The files it was made from."""


class Tool(Record):
    """A tracker, tokenizer or segmenter: name, version, and the parameters it ran with."""

    name: Name
    """Registry name."""
    version: Annotated[str, Field(min_length=1)]
    """Version of the tool or of the distribution that brings it."""
    parameters: Parameters = Field(default_factory=dict)
    """The parameters it ran with."""


Header.model_rebuild()
