"""Which names another drive may come under, and when it is another."""

from __future__ import annotations

import pytest

from reader.watching.replaced_drives import Fitted, is_called_by_its_place
from spindle.models import DeviceFacts


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (("ST4000", "Z1"), ("ST4000", "Z2"), "replaced: serial Z1 -> Z2"),
        (("ST4000", "Z1"), ("ST8000", "Z1"), ""),  # a bridge calls it otherwise
        (("ST4000", ""), ("ST8000", "Z2"), "replaced: model ST4000 -> ST8000"),
        (("ST4000", ""), ("ST4000", "Z2"), ""),  # it says its serial number now
        (("WD10EZEX", "WD-WCC3F1"), ("WDC WD10EZEX", "wcc3f1"), ""),  # the same, spelt otherwise
        (("", ""), ("ST4000", "Z1"), ""),
    ],
)
def test_another_serial_number_or_where_none_is_known_another_model_is_another_drive(
    before: tuple[str, str], now: tuple[str, str], says: str
) -> None:
    assert Fitted(*now).instead_of(Fitted(*before)) == says


def test_what_is_not_said_any_more_is_remembered() -> None:
    assert Fitted("ST4000", "").known_from(Fitted("", "Z1")) == Fitted("ST4000", "Z1")


@pytest.mark.parametrize(
    ("facts", "by_place"),
    [
        ({"device_id": "bay-2", "serial": "Z1"}, True),
        ({"device_id": "bay-2", "model": "ST4000"}, True),
        ({"device_id": "bay-2"}, False),  # it says nothing of who it is
        ({"device_id": "ST4000-Z1", "serial": "Z1"}, False),
        ({"device_id": "naa.5000c5", "wwn": "naa.5000c5", "serial": "Z1"}, False),
        ({"device_id": "array1-disk1", "model": "simulated", "simulated": True}, False),
    ],
)
def test_a_drive_with_a_name_of_its_own_cannot_be_replaced_under_it(
    facts: dict[str, object], by_place: bool
) -> None:
    said = DeviceFacts.model_validate({"timestamp": 1, "source_device": "DiskUnit", **facts})
    assert is_called_by_its_place(said) is by_place
