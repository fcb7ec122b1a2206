"""schemathesis asks what the OpenAPI document allows, and much that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from tests.integration.gateway_world import world

load_all_checks()

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
LONGEST_SECONDS = 10.0


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a running gateway, with every question of a running reader in it."""
    with world(tmp_path_factory.mktemp("openapi")) as made:
        made.start("writer", wait=False)
        made.start("reader")
        gateway = made.start("gateway", gateway_rate_per_second=0)
        url = f"http://127.0.0.1:{gateway.port}/openapi.json"
        yield schemathesis.openapi.from_url(url)
        assert "Traceback" not in gateway.said()


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_documented_and_none_is_a_fault(
    document: Any, mode: GenerationMode
) -> None:
    """Both for what the document allows and for what it does not."""
    seen = []
    # The stream never ends: test_gateway_live reads it.
    for found in document.exclude(path="/api/v1/stream").get_all_operations():
        operation = found.ok()
        try:
            _ask_all_sorts(operation.as_strategy(generation_mode=mode))
        except hypothesis.errors.Unsatisfiable:  # takes nothing, so nothing can be wrong with it
            assert mode is GenerationMode.NEGATIVE
            continue
        seen.append(operation.label)
    assert "POST /save_summary" in seen
    assert "GET /api/v1/alerts_critical" in seen


def _ask_all_sorts(cases: st.SearchStrategy[Case[Any]]) -> None:
    @hypothesis.settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases)
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, timeout=LONGEST_SECONDS)

    ask()
