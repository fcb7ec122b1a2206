"""docs/reference.md is what the code says."""

from __future__ import annotations

from local.layout import ROOT
from tools.reference import limit_rows, reference

AGAIN = "run `python -m tools reference > docs/reference.md`"


def test_the_reference_is_made_from_the_code() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), AGAIN


def test_every_service_has_its_metrics_in_the_reference() -> None:
    for prefix in ("daemon_", "writer_", "reader_", "client_"):
        assert f"| `{prefix}" in reference()


def test_the_page_on_limits_has_every_metric_as_the_catalogue_has_it() -> None:
    page = (ROOT / "docs" / "tasks" / "limits.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == limit_rows()
