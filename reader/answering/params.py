"""The base of every question's parameters, and the sentence a caller gets for a wrong one.

Numbers may come as strings (``since_minutes=15`` from a command line); everything else is taken
literally or refused. No parameter can carry a quote, a space or a newline to a store, except a
plate, which stores bind or quote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from spindle import timestamps
from spindle.errors import InvalidQuery
from spindle.models import MAX_ID, NAME_EXPECTED, PLATE_EXPECTED, Name, Plate, sentence_of
from spindle.store.base import DeviceKey, Selection
from spindle.text import shown

LONGEST_MINUTES = 5_256_000.0  # ten years
_NAMES, _LONGEST_NAME = 20, 64  # of ignored names that an answer repeats, and of their characters
_LONGEST_NUMBER = 40  # characters; no number that means something is longer


def _number(value: object) -> object:
    """A JSON number, or one written as a string; not true or false, no megabyte of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a number")  # noqa: TRY004 - pydantic reports these
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        raise ValueError("expected a number")
    return value


def _valid_note(value: str) -> str:
    if not value.isprintable():
        raise ValueError("expected one printable line")
    return value


def _time(value: str) -> str:
    timestamps.parse(value)  # raises ValueError
    return value


#: A time as text: what a caller got in an answer goes back as it is, all nine digits.
Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]


def _clamped_criticality(value: object) -> object:
    number = _number(value)
    try:
        return min(max(math.ceil(float(number)), 1), 10)  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # no number, infinite: refused in words by what follows
        return number


#: Criticalities are 1 to 10, so 0 asks for all, 11 for the highest, and 8.9 for 9 and more.
Criticality = Annotated[int, BeforeValidator(_clamped_criticality), Field(ge=1, le=10)]
Whole = Annotated[int, BeforeValidator(_number)]
#: One line for people; it never reaches a store.
Note = Annotated[str, Field(max_length=MAX_ID), AfterValidator(_valid_note)]
Number = Annotated[float, BeforeValidator(_number)]
Minutes = Annotated[Number, Field(gt=0, le=LONGEST_MINUTES)]


class Params(BaseModel):
    """Base of every question's parameters. ``parse`` leaves out names that are not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DeviceParams(Params):
    """``source_device``, ``device_id`` and ``array_id``: a class of devices, or one unit.

    :cvar needs_device: one of the first two must be given.
    """

    needs_device: ClassVar[bool] = False

    source_device: Name | None = Field(None, description="class of device, such as DiskUnit")
    device_id: Name | None = Field(None, description="one unit, or several of one name")
    array_id: Name | None = Field(None, description="the array or host that it belongs to")

    @model_validator(mode="after")
    def _says_which_device(self) -> DeviceParams:
        if self.needs_device and self.source_device is None and self.device_id is None:
            raise ValueError("give source_device or device_id")
        return self

    @property
    def device(self) -> str:
        """The name of the device or class asked about; empty for every device."""
        return self.device_id or self.source_device or ""

    def selection(self, metric_type: str | None = None) -> Selection:
        """What is asked about, as the store selects it."""
        return Selection(self.source_device, self.device_id, self.array_id, metric_type)


def several(asked: DeviceParams, units: Iterable[DeviceKey]) -> dict[str, str]:
    """Beside an answer about one name that several units have: which, and how to ask for one.

    :param units: those that the answer is about.
    """
    if asked.device_id is None:
        return {}
    found = sorted(set(units))
    if len(found) < 2:
        return {}
    where = [f"{key.source_device} of {key.array_id or 'no array'}" for key in found[:_NAMES]]
    return {
        "note": f"{asked.device_id} is {len(found)} devices: {', '.join(where)}; "
        "array_id=... or source_device=... asks for one"
    }


P = TypeVar("P", bound=Params)


def ignored(model: type[Params], given: object) -> list[str]:
    """Names that a caller gave and the question does not know, for a note in the answer."""
    names = given if isinstance(given, dict) else ()
    return [str(name)[:_LONGEST_NAME] for name in names if name not in model.model_fields][:_NAMES]


def note(asked: Params, given: object, extra: Iterable[str]) -> str:
    """What was taken otherwise than it was written, in words for a person; mostly empty.

    :param asked: the parameters as they were understood.
    :param extra: keys that stood beside the parameters.
    """
    model, sentences = type(asked), []
    beside = [f"{shown(name)} belongs in params" for name in extra if name in model.model_fields]
    unknown = [*(name for name in extra if name not in model.model_fields), *ignored(model, given)]
    left_out = [*beside, *(_unknown(model, name) for name in unknown)]
    if left_out:
        sentences.append(f"ignored: {', '.join(left_out)}")
    for name, value in (given if isinstance(given, dict) else {}).items():
        meant = getattr(asked, name, None) if name in model.model_fields else None
        if isinstance(meant, int | float) and meant != float(value):
            sentences.append(f"{name} {value} is taken as {meant}")
    return "; ".join(sentences)


def parse(query_type: str, model: type[P], given: object) -> P:
    """The parameters of one question.

    :param given: the decoded ``params``; None for none.
    :raises InvalidQuery: every mistake in one sentence: parameter, what was given, what is allowed.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidQuery(f"{query_type}: params: expected a JSON object, given {shown(given)}")
    known = {name: value for name, value in given.items() if name in model.model_fields}
    try:
        return model.model_validate(known)
    except ValidationError as error:
        mistakes = [_mistake(model, item) for item in error.errors(include_url=False)]
        mistakes += [_unknown(model, name) for name in ignored(model, given)]
        raise InvalidQuery(f"{query_type}: {'; '.join(dict.fromkeys(mistakes))}") from None


def _unknown(model: type[Params], name: str) -> str:
    near = get_close_matches(name, list(model.model_fields), n=1)
    return f"there is no {shown(name)}" + (f" (did you mean {near[0]}?)" if near else "")


def _mistake(model: type[Params], item: ErrorDetails) -> str:
    if not item["loc"]:
        return sentence_of(item)
    name = str(item["loc"][0])
    given = "missing" if item["type"] == "missing" else f"given {shown(item['input'])}"
    return f"{name}: {given}, expected {allowed(model.model_fields[name])}"


def allowed(field: FieldInfo) -> str:
    """What a parameter accepts, in words: ``a whole number from 1 to 10``."""
    kind, bounds = _kind_and_bounds(field)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is str:
        if Time in get_args(field.annotation):
            return timestamps.EXPECTED
        if Note in get_args(field.annotation):
            return f"one line of up to {MAX_ID} characters"
        return PLATE_EXPECTED if Plate in get_args(field.annotation) else NAME_EXPECTED
    noun = "a whole number" if kind is int else "a number"
    low, high = bounds.get("ge"), bounds.get("le")
    if low is None:
        return f"{noun} above {bounds['gt']:g} and up to {high:.10g}"
    return f"{noun} from {low:g} to {high:.10g}"


def _kind_and_bounds(field: FieldInfo) -> tuple[type, dict[str, Any]]:
    """The plain type behind a field, and its ``gt``, ``ge`` and ``le``."""
    annotation: Any = field.annotation
    metadata = list(field.metadata)
    if type(None) in get_args(annotation):  # an optional parameter: X | None
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if hasattr(annotation, "__metadata__"):
        metadata += annotation.__metadata__
        annotation = annotation.__origin__
    bounds: dict[str, Any] = {}
    for item in metadata:
        for constraint in getattr(item, "metadata", [item]):
            for name in ("gt", "ge", "le"):
                value = getattr(constraint, name, None)
                if value is not None:
                    bounds[name] = value
    return annotation, bounds
