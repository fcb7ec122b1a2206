"""What is in front of the gateway's routes: HEAD, proxies, names, limits of connections, TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.http_calls import Reply, call
from tests.integration.gateway_world import VISIT, World, address
from tests.waiting import PATIENCE_SECONDS


def started(pipeline: World, **settings: Any) -> str:
    return address(pipeline.start("gateway", gateway_rate_per_second=0, **settings))


def as_host(url: str, host: str, path: str = "/readyz", **headers: str) -> Reply:
    return call(f"{url}{path}", VISIT if path == "/save_summary" else None, host=host, **headers)


# -- HEAD ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/api/v1/devices", "/docs", "/openapi.json", "/"]
)
@pytest.mark.fault("15")
def test_head_works_wherever_get_does_and_has_no_body(gateway: str, path: str) -> None:
    head, get = call(gateway + path, method="HEAD"), call(gateway + path)
    assert (head.status, get.status) == (200, 200)
    assert head.body == b""
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_the_stream_ends_and_of_nothing_is_404(gateway: str) -> None:
    reply = call(f"{gateway}/api/v1/stream", method="HEAD")
    assert (reply.status, reply.headers["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    assert "gateway_streams 0.0" in call(f"{gateway}/metrics").body.decode()
    assert call(f"{gateway}/nope", method="HEAD").status == 404
    assert call(f"{gateway}/save_summary", method="HEAD").status == 405


# -- proxies ---------------------------------------------------------------------------------------


@pytest.mark.fault("17")
def test_a_slash_at_the_end_is_answered_and_never_redirected(gateway: str) -> None:
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"), timeout=20)
    connection.request("GET", "/api/v1/devices/", headers={"X-Forwarded-Proto": "https"})
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Location"]) == (200, None)
    connection.close()


@pytest.mark.parametrize("prefix", ["", "/spindle"])
def test_under_a_proxys_prefix_all_is_found_with_it_and_without(
    pipeline: World, prefix: str
) -> None:
    url = started(pipeline, gateway_root_path="/spindle/")
    for path in ("/healthz", "/api/v1/devices", "/static-offline-docs/swagger-ui.css"):
        assert call(f"{url}{prefix}{path}").status == 200
    assert "'/spindle/openapi.json'" in call(f"{url}{prefix}/docs").body.decode()
    assert call(f"{url}{prefix}/openapi.json").json["servers"] == [{"url": "/spindle"}]
    page = call(f"{url}{prefix}/").body.decode()
    assert '<base href="/spindle/">' in page
    script = page.partition('" type="module"')[0].rpartition('"')[2]
    assert script.endswith("/app.js")
    assert call(f"{url}{prefix}/{script}").status == 200
    assert call(f"{url}/spindles/healthz").status == 404


def test_forwarded_addresses_are_believed_of_trusted_proxies_alone(pipeline: World) -> None:
    limit: dict[str, Any] = {"gateway_rate_per_second": 0.01}
    url = f"http://127.0.0.1:{pipeline.start('gateway', **limit).port}"
    statuses = [call(f"{url}/docs", x_forwarded_for=f"10.0.0.{n}").status for n in range(2)]
    assert statuses == [200, 429]
    trusting = pipeline.start("gateway", **limit, gateway_trusted_proxies="127.0.0.0/8")
    url = f"http://127.0.0.1:{trusting.port}"
    statuses = [call(f"{url}/docs", x_forwarded_for=f"10.0.0.{n}").status for n in range(2)]
    assert statuses == [200, 200]
    assert "10.0.0.1" in call(f"{url}/docs", x_forwarded_for="10.0.0.1").message


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.fault("h13")
def test_a_page_whose_name_was_pointed_at_this_machine_is_refused(gateway: str) -> None:
    """DNS rebinding: Host and Origin agree, and are both a stranger's."""
    evil = "evil.example:5000"
    reply = as_host(gateway, evil, "/save_summary", origin=f"http://{evil}")
    assert (reply.status, "GATEWAY_ALLOWED_HOSTS" in reply.message) == (403, True)
    assert as_host(gateway, evil).status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:5000", "localhost:5000", "LOCALHOST", "[::1]:5000", "gateway:5000"]
)
def test_this_machines_own_names_are_answered(gateway: str, host: str) -> None:
    assert as_host(gateway, host).status == 200
    assert as_host(gateway, host, "/save_summary", origin=f"http://{host}").status == 202


@pytest.mark.parametrize(
    "host",
    [
        *("localhost:5000@evil.example", "localhost evil.example", "127.0.0.1, evil.example"),
        *("localhost/evil.example", "[::1]evil.example", "[::1", "127.0.0.1.nip.io", ":5000"),
    ],
)
def test_what_only_begins_as_a_name_of_this_machine_is_none(gateway: str, host: str) -> None:
    assert as_host(gateway, host).status == 403
    assert as_host(gateway, "evil.example", x_forwarded_host="localhost").status == 403


def test_another_name_is_answered_when_a_setting_names_it_or_a_token_is_asked_for(
    pipeline: World,
) -> None:
    named = started(pipeline, gateway_allowed_hosts="status.example.com, other.example")
    assert as_host(named, "Status.example.com").status == 200
    assert as_host(named, "example.com").status == 403
    with_token = started(pipeline, gateway_token="t")
    assert as_host(with_token, "any.example", authorization="Bearer t").status == 200


# -- connections -----------------------------------------------------------------------------------


def raw(url: str, text: str) -> bytes:
    """The whole reply; the server closes after it."""
    host, _, port = url.removeprefix("http://").partition(":")
    found = b""
    with (
        socket.create_connection((host, int(port)), timeout=20) as connection,
        contextlib.suppress(ConnectionError),  # closed while it is still being sent to
    ):
        connection.sendall(text.encode())
        while part := connection.recv(1000):
            found += part
    return found


def test_a_request_of_two_lengths_is_refused(gateway: str) -> None:
    reply = raw(
        gateway,
        "POST /save_summary HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"not both" in reply


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 2\r\nContent-Length: 20", "{}"),
        ("Content-Length: +2", "{}"),
        ("Transfer-Encoding : chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", f"2;{'a' * 1_000_000}\r\n{{}}\r\n0\r\n\r\n"),
        ("Host: other", ""),
        ("no colon", ""),
        ("X: a\0b", ""),
        (f"X: {'a' * 1_000_000}", ""),
    ],
)
def test_what_is_no_http_is_refused_in_the_one_shape_of_failures(
    gateway: str, head: str, body: str
) -> None:
    """And the connection ends, so that nothing behind it is taken for a request."""
    text = f"POST /save_summary HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n{body}"
    reply = raw(gateway, text)
    answered, _, said = reply.partition(b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in answered
    problem = json.loads(said)
    assert problem["status"] == "error"
    assert problem["message"].startswith("this is no HTTP that can be read")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/device_health", "GET, HEAD, POST"),
        ("/save_summary", "POST"),
        ("/healthz", "GET, HEAD"),
    ],
)
def test_all_methods_that_a_path_takes_are_named(gateway: str, path: str, allowed: str) -> None:
    reply = call(f"{gateway}{path}", method="PUT")
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert reply.message.endswith(f"allowed is {allowed}")


def test_a_head_that_does_not_end_is_not_waited_for(pipeline: World) -> None:
    quick = pipeline.start("gateway", constants={"gateway.http.server.HEAD_SECONDS": 0.5})
    with socket.create_connection(("127.0.0.1", quick.port), timeout=20) as connection:
        began = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < began + 60:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.1)
        assert 0.4 < time.monotonic() - began < 50
    # A request that takes longer than that is none of its business.
    stream = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=20)
    stream.request("GET", "/api/v1/stream")
    reply = stream.getresponse()
    time.sleep(1)
    call(f"http://127.0.0.1:{quick.port}/save_summary", VISIT)
    assert b"event: visit" in b"".join(reply.readline() for _ in range(4))
    stream.close()


@pytest.mark.fault("h14")
def test_many_unfinished_heads_keep_nobody_out(pipeline: World) -> None:
    """Three thousand of them, quickly; and the process has a thousand file descriptors."""
    service = pipeline.start("gateway", gateway_rate_per_second=0)
    url = f"http://127.0.0.1:{service.port}"
    assert service.process is not None
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    mine = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (mine[1], mine[1]))
    slow = []
    try:
        for _ in range(3000):
            slow.append(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            with contextlib.suppress(ConnectionError):
                slow[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert call(f"{url}/readyz").status == 200
        descriptors = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        assert descriptors < 800
        said = service.said()
        assert "Traceback" not in said
        assert "out of system resource" not in said
    finally:
        for connection in slow:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, mine)


# -- the page and TLS ------------------------------------------------------------------------------


def test_the_page_at_the_root_links_what_else_answers_and_needs_nobody_else(gateway: str) -> None:
    page = call(f"{gateway}/")
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    for path in ("docs", "metrics", "healthz"):
        assert f'href="{path}"' in text
    assert "//" not in text.replace("<!doctype", "")  # nothing from the network
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is missing: on Debian apt install openssl"
)
def test_with_a_certificate_it_speaks_https_alone(pipeline: World, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    service = pipeline.start("gateway", wait=False, gateway_tls_cert=cert, gateway_tls_key=key)
    trusting = ssl.create_default_context(cafile=str(cert))

    def ask(host: str, context: ssl.SSLContext) -> int:
        connection = http.client.HTTPSConnection(host, service.port, context=context, timeout=20)
        connection.request("GET", "/readyz")
        return connection.getresponse().status

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if ask("127.0.0.1", trusting) == 200:
                break
        except ConnectionError:
            pass
        assert time.monotonic() < deadline, service.said()
        time.sleep(0.1)
    assert ask("localhost", trusting) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        ask("127.0.0.1", ssl.create_default_context())
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        plain = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        plain.request("GET", "/readyz")
        plain.getresponse()
