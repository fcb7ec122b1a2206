"""Who may ask over HTTP: tokens, origins, rates, and what is not there."""

from __future__ import annotations

import re

from tests.http_calls import call
from tests.integration.gateway_world import VISIT, World, address


def test_with_a_token_everything_but_healthz_wants_it(pipeline: World) -> None:
    url = address(pipeline.start("gateway", gateway_token="s3cret"))
    paths = ("metrics", "readyz", "docs", "openapi.json", "api/v1/devices", "api/v1/stream", "nope")
    for path in paths:
        reply = call(f"{url}/{path}")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), path
        for wrong in ("Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer"):
            assert call(f"{url}/{path}", authorization=wrong).status == 401
    assert call(f"{url}/save_summary", VISIT).status == 401
    assert call(f"{url}/healthz").status == 200
    page = call(f"{url}/")
    assert page.status == 200  # it asks for the token before it asks for any data
    files = re.findall(r'(?:src|href)="(page/[^"]+)"', page.body.decode())
    assert len(files) >= 4
    for path in files:
        assert call(f"{url}/{path}").status == 200, path
    assert call(f"{url}/page/../metrics").status in (401, 404)
    assert call(f"{url}/metrics", authorization="Bearer s3cret").status == 200
    assert call(f"{url}/save_summary", VISIT, authorization="bearer s3cret").status == 202


def test_bound_elsewhere_without_a_token_it_exits_with_code_2(pipeline: World) -> None:
    started = pipeline.start("gateway", wait=False, gateway_host="0.0.0.0")
    assert started.process is not None
    assert started.process.wait(20) == 2
    assert started.said().startswith("gateway: GATEWAY_TOKEN: empty, and the gateway would answer")
    assert len(started.said().splitlines()) == 1


def test_an_address_that_asks_too_often_is_told_when_to_ask_again(pipeline: World) -> None:
    started = pipeline.start(
        "gateway",
        constants={"gateway.http.guard.BURST_SECONDS": 30.0},
        gateway_rate_per_second=0.1,
    )
    statuses = [call(f"{address(started)}/docs").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    reply = call(f"{address(started)}/save_summary", VISIT)
    assert (reply.status, 0 < int(reply.headers["retry-after"]) <= 10) == (429, True)
    assert call(f"{address(started)}/healthz").status == 200
    assert call(f"{address(started)}/metrics").status == 200


def test_cors_is_off_unless_an_origin_is_named(pipeline: World, gateway: str) -> None:
    page = "https://status.example.com"
    assert "access-control-allow-origin" not in call(f"{gateway}/docs", origin=page).headers
    assert call(f"{gateway}/save_summary", VISIT, origin=page).status == 403
    assert call(f"{gateway}/save_summary", VISIT, origin=gateway).status == 202
    url = address(pipeline.start("gateway", gateway_cors_origins=page, gateway_token="t"))
    preflight = call(
        f"{url}/save_summary", None, "OPTIONS", origin=page, access_control_request_method="POST"
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == page
    refused = call(f"{url}/save_summary", VISIT, origin=page)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, page)
    assert call(f"{url}/save_summary", VISIT, origin=page, authorization="Bearer t").status == 202
    other = call(f"{url}/docs", origin="https://evil.example", authorization="Bearer t")
    assert "access-control-allow-origin" not in other.headers


def test_what_is_not_there_is_one_sentence_in_json(gateway: str) -> None:
    reply = call(f"{gateway}/nope")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/json")
    assert reply.message == "there is no '/nope'; /docs shows what there is"
    assert call(f"{gateway}/save_summary").status == 405
    assert call(f"{gateway}/healthz", b"x", "DELETE").status == 405
