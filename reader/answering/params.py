"""What each question may ask for, and the sentence a caller gets for anything else.

Numbers may come as strings (``since_minutes=15`` from a command line); everything else is taken
literally or refused. Nothing that passes here can carry a quote, a space or a newline to a store,
but a plate, which stores bind or quote.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from reader.detection.detector import ALARM
from spindle.errors import InvalidQuery
from spindle.models import NAME_EXPECTED, PLATE_EXPECTED, Name, Plate, Status, shown

LONGEST_MINUTES = 5_256_000.0  # ten years
_LONGEST_NUMBER = 40  # characters; no number that means something is longer


def _number(value: object) -> object:
    """A JSON number, or one written as a string; not true or false, no megabyte of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a number")  # noqa: TRY004 - pydantic reports these
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        raise ValueError("expected a number")
    return value


Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Minutes = Annotated[Number, Field(gt=0, le=LONGEST_MINUTES)]


class Params(BaseModel):
    """Base of every question's parameters: what it does not name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DeviceParams(Params):
    """``source_device`` and ``device_id``: a class of devices, or one unit."""

    needs_device: ClassVar[bool] = False

    source_device: Name | None = Field(None, description="class of device, such as DiskUnit")
    device_id: Name | None = Field(None, description="one unit")

    @model_validator(mode="after")
    def _says_which_device(self) -> DeviceParams:
        if self.needs_device and self.source_device is None and self.device_id is None:
            raise ValueError("give source_device or device_id")
        return self

    @property
    def device(self) -> str:
        """What was asked about, as an answer names it; empty for every device."""
        return self.device_id or self.source_device or ""


class AlertsParams(DeviceParams):
    """Parameters of ``alerts_critical``."""

    since_minutes: Minutes = Field(15.0, description="how far back, in minutes")
    min_criticality: Annotated[Whole, Field(ge=1, le=10)] = Field(
        8, description="least criticality, 1 to 10"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many events, the newest first"
    )
    offset: Annotated[Whole, Field(ge=0, le=90_000)] = Field(
        0, description="leave out so many of the newest: the next page"
    )


class HealthParams(DeviceParams):
    """Parameters of ``device_health``."""

    needs_device: ClassVar[bool] = True


class FleetParams(DeviceParams):
    """Parameters of ``fleet_health``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    state: Literal["ok", "unknown", "warning", "critical"] | None = Field(
        None, description="list devices in this state; default all that are not ok"
    )
    limit: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        20, description="at most so many devices, and so many arrays"
    )


class AnomaliesParams(DeviceParams):
    """Parameters of ``anomalies``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    metric_type: Name | None = Field(None, description="one metric, such as Latency; default all")
    since_minutes: Annotated[Number, Field(gt=0, le=1440)] = Field(
        60.0, description="how far back, in minutes"
    )
    min_score: Annotated[Number, Field(gt=0, le=1)] = Field(
        ALARM, description="least score: from 0.5 on it is ruled out as chance"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        100, description="at most so many, the highest scores first"
    )


class TemperatureParams(DeviceParams):
    """Parameters of ``anomaly_temperature``."""

    needs_device: ClassVar[bool] = True

    threshold: Annotated[Number, Field(gt=0, le=1000)] = Field(
        1.3, description="ratio of latest to initial temperature from which it is an anomaly"
    )
    window_minutes: Minutes = Field(20.0, description="how far back, in minutes")


class DevicesParams(DeviceParams):
    """Parameters of ``devices``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    since_minutes: Minutes | None = Field(
        None, description="seen in the last so many minutes; default READER_LOOKBACK_HOURS"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many devices"
    )


class ForecastParams(DeviceParams):
    """Parameters of ``capacity_forecast``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    metric_type: Name = Field(
        "CapacityUsed",
        description="what fills up: CapacityUsed, PercentageUsed, any rising counter",
    )
    horizon_days: Annotated[Number, Field(gt=0, le=730)] = Field(
        90.0, description="how far ahead to look, in days"
    )
    full_at: Annotated[Number, Field(gt=0, le=1e18)] | None = Field(
        None, description="the value that counts as 100 %; default 100 of a metric in %, else none"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        100, description="at most so many devices, the soonest full first"
    )


class SeriesParams(DeviceParams):
    """Parameters of ``series``."""

    needs_device: ClassVar[bool] = True

    metric_type: Name | None = Field(None, description="one metric, such as DiskTemp; default all")
    since_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    every_seconds: Annotated[Number, Field(ge=0, le=LONGEST_MINUTES * 60)] = Field(
        60.0, description="length of a step in seconds; 0 for the readings themselves"
    )
    limit: Annotated[Whole, Field(ge=1, le=50_000)] = Field(
        5000, description="at most so many steps in all"
    )


MOST_STEPS = 10_000  # of parking_occupancy


class InsideParams(Params):
    """Parameters of ``parking_inside``."""

    limit: Annotated[Whole, Field(ge=1, le=50_000)] = Field(
        1000, description="at most so many vehicles, who came last first"
    )


class VehicleParams(Params):
    """Parameters of ``parking_vehicle``."""

    vehicle_plate: Plate | None = Field(None, description="its plate, such as B-XY1234")
    limit: Annotated[Whole, Field(ge=0, le=1000)] = Field(
        10, description="at most so many of its visits, the latest first"
    )

    @model_validator(mode="after")
    def _says_which_vehicle(self) -> VehicleParams:
        if self.vehicle_plate is None:
            raise ValueError("give vehicle_plate")
        return self


class VisitsParams(Params):
    """Parameters of ``parking_visits``."""

    since_minutes: Minutes = Field(60.0, description="ended in the last so many minutes")
    status: Status | None = Field(None, description="how it came to be known; default all")
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many visits, the latest first"
    )


class OccupancyParams(Params):
    """Parameters of ``parking_occupancy``."""

    since_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    every_seconds: Annotated[Number, Field(ge=1, le=LONGEST_MINUTES * 60)] = Field(
        60.0, description="seconds from one step to the next"
    )


class ParkingSummaryParams(Params):
    """Parameters of ``parking_summary``."""

    since_minutes: Minutes = Field(1440.0, description="ended in the last so many minutes")


P = TypeVar("P", bound=Params)


def parse(query_type: str, model: type[P], given: object) -> P:
    """The parameters of one question.

    :param given: the decoded ``params``; None for none.
    :raises InvalidQuery: every mistake in one sentence: parameter, what was given, what is allowed.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidQuery(f"{query_type}: params: expected a JSON object, given {shown(given)}")
    unknown = [name for name in given if name not in model.model_fields]
    if unknown:
        raise InvalidQuery(
            f"{query_type}: unknown parameter {shown(unknown[0])}; "
            f"allowed are {', '.join(model.model_fields)}"
        )
    try:
        return model.model_validate(given)
    except ValidationError as error:
        mistakes = [_mistake(model, item) for item in error.errors(include_url=False)]
        raise InvalidQuery(f"{query_type}: {'; '.join(dict.fromkeys(mistakes))}") from None


def _mistake(model: type[Params], item: ErrorDetails) -> str:
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not item["loc"]:
        return message
    name = str(item["loc"][0])
    return f"{name}: given {shown(item['input'])}, expected {allowed(model.model_fields[name])}"


def allowed(field: FieldInfo) -> str:
    """What a parameter accepts, in words: ``a whole number from 1 to 10``."""
    kind, bounds = _kind_and_bounds(field)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is str:
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
