"""The wire contract: what a message may say, and the sentence a publisher gets when it does not.

``DeviceMetric`` and ``Event`` are rows 1 and 2 of the contract (camelCase on the wire), those of
parking rows 24 and 25 (snake_case). Times are integer nanoseconds here and RFC 3339 on the wire.
Keys that the contract does not name are ignored.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID, uuid5

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from spindle import timestamps
from spindle.errors import InvalidInput
from spindle.text import shown

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
NAME_EXPECTED = "1 to 128 letters, digits and . _ : - , starting with a letter or digit"
MAX_ID = 256
MOST_SECONDS = 1e9  #: that a visit may take to be published; what is summed stays a number
MAX_MESSAGE = 8192
MAX_PLATE = 32
PLATE_EXPECTED = f"1 to {MAX_PLATE} printable characters, no space at the ends"
#: Largest message taken: below nats-server's own limit of 1 MB, with room for a dead letter's
#: headers.
MAX_PAYLOAD_BYTES = 900_000
#: More than fit into the largest message when each is valid, and far fewer than empty ones would.
MOST_OBJECTS = 15_000
DEFAULT_LOT = "main"  #: the lot of whoever names none
#: Instead of pydantic's words, by the type of its error: what was expected.
_EXPECTED = {
    "bool_parsing": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "string_type": "text",
}
_COMPARED = {
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
}

#: Validation context key: the latest acceptable timestamp, in nanoseconds.
LATEST = "latest_ns"


def _valid_name(value: str) -> str:
    if NAME_PATTERN.fullmatch(value) is None:
        raise ValueError(f"expected {NAME_EXPECTED}")
    return value


def _valid_id(value: str) -> str:
    if not 1 <= len(value) <= MAX_ID or not value.isprintable():
        raise ValueError(f"expected 1 to {MAX_ID} printable characters")
    return value


def _valid_message(value: str) -> str:
    if len(value) > MAX_MESSAGE or "\x00" in value:
        raise ValueError(f"expected at most {MAX_MESSAGE} characters, none of them NUL")
    return value


def _valid_plate(value: str) -> str:
    if not 1 <= len(value) <= MAX_PLATE or not value.isprintable() or value != value.strip():
        raise ValueError(f"expected {PLATE_EXPECTED}")
    return value


def _parse_time(value: object, info: ValidationInfo) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and not (info.context or {}):
        return value  # made by our own code; the wire always brings a context
    if not isinstance(value, str):
        raise ValueError(f"expected {timestamps.EXPECTED}")  # noqa: TRY004 - pydantic reports these
    ns = timestamps.parse(value)
    latest = (info.context or {}).get(LATEST)
    if latest is not None and ns > latest:
        raise ValueError(
            f"in the future: the latest accepted now is {timestamps.format_ns(latest)} "
            "(MAX_FUTURE_SECONDS)"
        )
    return ns


Name = Annotated[
    str,
    AfterValidator(_valid_name),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"}),
]
Id = Annotated[
    str,
    AfterValidator(_valid_id),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_ID}),
]
Text = Id  # the same rule: printable, on one line
Plate = Annotated[
    str,
    AfterValidator(_valid_plate),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PLATE}),
]
Time = Annotated[
    int,
    BeforeValidator(_parse_time),
    PlainSerializer(timestamps.format_ns, return_type=str, when_used="json"),
]


class _Wire(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        allow_inf_nan=False,
    )

    def to_json(self) -> bytes:
        """The message as it goes on the wire; what is not set is left out."""
        return orjson.dumps(self.model_dump(mode="json", by_alias=True, exclude_none=True))


_M = TypeVar("_M", bound=_Wire)


class _FromDevice(_Wire):
    timestamp: Time
    source_device: Name
    device_id: Name = ""  # filled from the class below; never empty in a validated model
    array_id: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _device_defaults_to_its_class(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        key = "device_id" if "device_id" in data else "deviceId"
        if data.get(key) is None:
            source = data.get("sourceDevice", data.get("source_device"))
            # Where the class is wrong too, that mistake is reported, and once.
            return {**data, key: source if isinstance(source, str) else "unknown"}
        return data


class DeviceMetric(_FromDevice):
    """One reading of one device: ``value`` in the metric's unit (see ``catalog``)."""

    metric_type: Name
    value: float


def _whole(value: object) -> object:
    """8.0 is 8: some languages know one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Event(_FromDevice):
    """Something that happened to a device; ``criticality`` 1 (note) to 10 (act now)."""

    id: Id
    criticality: Annotated[int, Field(ge=1, le=10), BeforeValidator(_whole)]
    event_type: Name
    event_message: Annotated[str, AfterValidator(_valid_message)] | None = None


class DeviceFacts(_FromDevice):
    """What a device is, beside what it measures; what is not known is left out.

    :ivar wwn: World Wide Name, such as ``naa.5000c500a1b2c3d4``.
    :ivar rotation_rpm: 0 for a solid-state drive.
    :ivar protocol: ``ATA``, ``NVMe`` or ``SCSI``.
    :ivar interface_speed: bits per second.
    :ivar path: what the host calls it now, such as ``/dev/sda``.
    :ivar slot: of the enclosure, as that calls it.
    :ivar member: its place behind a RAID controller, such as ``megaraid,5``.
    :ivar array_role: its place in a software array, such as ``md0 slot 1 (in_sync)``.
    :ivar failing: ATA attributes at their maker's threshold now, ``failed_before`` once.
    :ivar simulated: it does not exist.
    """

    model: Text | None = None
    family: Text | None = None
    serial: Text | None = None
    firmware: Text | None = None
    wwn: Text | None = None
    capacity_bytes: Annotated[int, Field(ge=0)] | None = None
    rotation_rpm: Annotated[int, Field(ge=0)] | None = None
    protocol: Text | None = None
    interface_speed: Annotated[float, Field(ge=0)] | None = None
    host: Text | None = None
    path: Text | None = None
    slot: Text | None = None
    member: Text | None = None
    array_role: Text | None = None
    failing: Text | None = None
    failed_before: Text | None = None
    simulated: bool | None = None


class _OfParking(_Wire):
    model_config = ConfigDict(alias_generator=None)

    vehicle_plate: Plate

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_set(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data


class VehicleEntry(_OfParking):
    """A vehicle came in; ``id`` is the event's, the same again is a repeat."""

    id: Id
    entry_date_time: Time
    lot: Name | None = None


class VehicleExit(_OfParking):
    """A vehicle went out."""

    id: Id
    exit_date_time: Time
    lot: Name | None = None


#: Of visits: an exit with its entry, an exit without one, a visit that somebody entered by hand.
Status = Literal["matched", "unmatched", "manual"]
_VISITS = UUID("a4f1b2c6-6d0e-5f0b-9a57-3f6a2f1f8c11")  # namespace of ids made from content


class ParkingSummary(_OfParking):
    """One visit. Only one whose status is ``unmatched`` may lack its entry.

    :ivar duration_seconds: of the times where it is not given.
    :ivar id: made from the content where it is not given, so that the same again is a repeat.
    :ivar reason: why it is unmatched.
    :ivar processing_seconds: from NATS taking the exit to the matcher having recorded it.
    """

    lot: Name = DEFAULT_LOT
    status: Status = "manual"
    entry_date_time: Time | None = Field(None, validate_default=True)
    exit_date_time: Time
    duration_seconds: float | None = None
    id: Id = ""  # filled below; never empty in a validated model
    reason: Annotated[str, AfterValidator(_valid_message)] | None = None
    processing_seconds: Annotated[float, Field(ge=0, le=MOST_SECONDS)] | None = None

    @field_validator("entry_date_time")
    @classmethod
    def _is_known(cls, entry_ns: int | None, info: ValidationInfo) -> int | None:
        if entry_ns is None and info.data.get("status") != "unmatched":
            raise PydanticCustomError("missing", "missing")
        return entry_ns

    @field_validator("exit_date_time")
    @classmethod
    def _ends_after_it_began(cls, exit_ns: int, info: ValidationInfo) -> int:
        entry_ns = info.data.get("entry_date_time")
        if entry_ns is not None and exit_ns < entry_ns:
            raise ValueError(f"before the entry at {timestamps.format_ns(entry_ns)}")
        return exit_ns

    @field_validator("duration_seconds")
    @classmethod
    def _agrees_with_the_times(cls, given: float | None, info: ValidationInfo) -> float | None:
        entry_ns, exit_ns = (info.data.get(f"{which}_date_time") for which in ("entry", "exit"))
        if given is None or entry_ns is None or exit_ns is None:
            return None
        lasted = (exit_ns - entry_ns) / timestamps.NS
        if abs(given - lasted) > 1:
            raise ValueError(f"the times are {lasted:g} s apart")
        return given

    @model_validator(mode="after")
    def _complete(self) -> ParkingSummary:
        entry_ns, exit_ns = self.entry_date_time, self.exit_date_time
        if entry_ns is not None:  # the exact one; a given one was compared with it
            object.__setattr__(self, "duration_seconds", (exit_ns - entry_ns) / timestamps.NS)
        if not self.id:
            content = f"{self.vehicle_plate}\0{entry_ns}\0{exit_ns}\0{self.status}\0{self.lot}"
            object.__setattr__(self, "id", str(uuid5(_VISITS, content)))
        return self


def visit_id(plate: str, *event_ids: str) -> str:
    """The id of a visit made of these events: the same however often it is made."""
    return str(uuid5(_VISITS, "\0".join((plate, *event_ids))))


def parse(model: type[_M], data: object, latest_ns: int) -> _M:
    """One decoded JSON object as a model.

    :param latest_ns: timestamps after this are refused as lying in the future.
    :raises InvalidInput: with field, what was given and what is allowed, for every mistake.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{model.__name__}: expected a JSON object, given {shown(data)}")
    try:
        return model.model_validate(data, context={LATEST: latest_ns}, by_alias=True, by_name=False)
    except ValidationError as error:
        mistakes = _mistakes(error)
        raise InvalidInput(f"{model.__name__}: {'; '.join(mistakes)}", mistakes) from None


def decode(payload: bytes) -> list[object]:
    """The objects of a payload: one JSON object, or an array of them (an envelope).

    :raises InvalidInput: not JSON, too many objects, or neither an object nor a non-empty array.
    """
    try:
        data = orjson.loads(payload.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"not JSON: {error.msg} (at byte {error.pos})") from None
    if isinstance(data, dict):
        return [data]
    if isinstance(data, list) and len(data) > MOST_OBJECTS:
        raise InvalidInput(f"{len(data)} objects, at most {MOST_OBJECTS} are taken in one message")
    if isinstance(data, list) and data:
        return data
    given = "an empty array" if data == [] else shown(data)
    raise InvalidInput(f"expected a JSON object or an array of them, given {given}")


def _mistakes(error: ValidationError) -> list[str]:
    mistakes = {}
    for mistake in error.errors(include_url=False):
        field = ".".join(str(part) for part in mistake["loc"]) or "message"
        mistakes[field] = _mistake(mistake)
    if "sourceDevice" in mistakes and mistakes.get("deviceId") == mistakes["sourceDevice"]:
        del mistakes["deviceId"]  # it was filled from the class: one mistake, named once
    return [f"{field}: {mistake}" for field, mistake in mistakes.items()]


def _mistake(mistake: ErrorDetails) -> str:
    if mistake["type"] == "missing":
        return "missing, it is required"
    return f"given {shown(mistake['input'])}, {sentence_of(mistake)}"


def sentence_of(mistake: ErrorDetails | Mapping[str, Any]) -> str:
    """The sentence for one of pydantic's errors: mostly "expected ..."."""
    kind, message = str(mistake["type"]), str(mistake["msg"])
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    told = _EXPECTED.get(kind) or message.removeprefix("Input should be ")
    for theirs, ours in _COMPARED.items():
        told = told.replace(theirs, ours)
    return f"expected {told}"
