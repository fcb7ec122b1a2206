"""The fixture by which each chaos test gets the outcome of its scenario."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.side_by_side import SideBySide, selected


@pytest.fixture(scope="session")
def side_by_side(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SideBySide]:
    """All selected scenarios, started when the first test asks for its own."""
    with SideBySide(selected(request.session.items), tmp_path_factory.mktemp("chaos")) as running:
        yield running
