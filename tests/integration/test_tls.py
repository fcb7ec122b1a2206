"""TLS to NATS, InfluxDB and the gateway: what is trusted, and a sentence for what is wrong."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from spindle import bus, tls
from spindle.errors import StoreDenied
from spindle.service.health import Health
from spindle.settings import Settings, load
from spindle.store.influxdb.http import Http
from tests.servers import Server, find, free_port
from tests.services import ServiceProcess
from tests.waiting import PATIENCE_SECONDS, until

PROGRAM = find("nats-server") or pytest.fail("nats-server is missing: ./run.sh test installs it")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MINE, OTHERS = trustme.CA(), trustme.CA()


def _good() -> trustme.LeafCert:
    return MINE.issue_cert("127.0.0.1")


#: What a server shows, and what is said of it; nothing is said of a good one.
SHOWN: dict[str, tuple[Callable[[], trustme.LeafCert], str]] = {
    "good": (_good, ""),
    "of another authority": (
        lambda: OTHERS.issue_cert("127.0.0.1"),
        "its certificate is of no authority that is trusted here: ",
    ),
    "of another address": (
        lambda: MINE.issue_cert("192.0.2.7"),
        "its certificate is not for this address: IP address mismatch",
    ),
    "expired": (
        lambda: MINE.issue_cert("127.0.0.1", not_after=LONG_AGO),
        "its certificate has expired",
    ),
}
every_certificate = pytest.mark.parametrize(("shown", "sentence"), SHOWN.values(), ids=SHOWN)


@pytest.fixture
def authority(tmp_path: Path) -> str:
    """The file of the authority that is trusted."""
    MINE.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@dataclass
class Outcome:
    """What came of trying to connect for some seconds."""

    connected: bool
    health: str
    log: str


@contextmanager
def _nats(folder: Path, certificate: trustme.LeafCert | None) -> Iterator[int]:
    """A nats-server that asks for TLS, or knows none; its port."""
    port, monitor, file = free_port(), free_port(), folder / "nats.conf"
    text = f"host: 127.0.0.1\nport: {port}\nhttp_port: {monitor}\n"
    if certificate is not None:
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        text += f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}\n'
    file.write_text(text)
    page = f"http://127.0.0.1:{monitor}/healthz"
    server = Server([PROGRAM, "-c", str(file)], port, folder / "nats.log", page)
    server.start()
    try:
        yield port
    finally:
        assert server.process is not None
        server.process.terminate()
        server.process.wait(30)


async def _connect(settings: Settings, caplog: pytest.LogCaptureFixture) -> Outcome:
    health = Health("test")
    caplog.set_level(logging.INFO, "spindle.bus")
    trying = asyncio.create_task(bus.connect(settings, "test", health=health))
    await until(lambda: trying.done() or not health.healthy)
    await asyncio.wait([trying], timeout=2)  # for it to be tried again
    if trying.done():
        await trying.result().close()
    trying.cancel()
    return Outcome(trying.done(), str(health.report()), caplog.text)


@every_certificate
async def test_nats_is_trusted_by_its_certificate(
    tmp_path: Path,
    authority: str,
    caplog: pytest.LogCaptureFixture,
    shown: Callable[[], trustme.LeafCert],
    sentence: str,
) -> None:
    with _nats(tmp_path, shown()) as port:
        settings = load(Settings, nats_url=f"nats://127.0.0.1:{port}", nats_tls_ca=authority)
        outcome = await _connect(settings, caplog)
    assert outcome.connected is not bool(sentence)
    if sentence:
        assert sentence in outcome.health
        assert sentence in outcome.log
        assert outcome.log.count("WARNING  spindle.bus") == 1  # though it is tried again
        assert "_ssl.c" not in outcome.health + outcome.log


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_a_server_that_speaks_no_tls_is_sent_nothing_where_tls_is_asked_for(
    tmp_path: Path, authority: str, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    """Somebody between the two could take the offer of TLS away, and read the password."""
    given = {"nats_tls_ca": authority} if scheme == "nats" else {}
    with _nats(tmp_path, None) as port:
        settings = load(Settings, nats_url=f"{scheme}://127.0.0.1:{port}", **given)
        outcome = await _connect(settings, caplog)
    assert not outcome.connected
    assert "it speaks no TLS, which NATS_TLS_CA or tls:// asks for" in outcome.health


def _asked(port: int, authority: str) -> int:
    """The status of the gateway's /healthz; as long as it does not listen yet it is asked again."""
    context = ssl.create_default_context(cafile=authority)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        finally:
            connection.close()


@every_certificate
def test_the_gateway_is_trusted_by_its_certificate(
    tmp_path: Path, authority: str, shown: Callable[[], trustme.LeafCert], sentence: str
) -> None:
    """Its log says what is wrong for everybody: only who asks knows the name and the authority."""
    certificate, (cert, key) = shown(), (tmp_path / "cert.pem", tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    gateway = ServiceProcess(
        *("gateway", tmp_path),
        gateway_tls_cert=cert,
        gateway_tls_key=key,
        nats_url="nats://127.0.0.1:1",
    )
    gateway.start(wait=False)
    try:
        if sentence:
            with pytest.raises(ssl.SSLCertVerificationError) as refused:
                _asked(gateway.port, authority)
            assert sentence in tls.fault(refused.value)
        else:
            assert _asked(gateway.port, authority) == 503  # NATS is away
        told = "who asks over HTTPS will refuse it: its certificate has expired" in gateway.said()
        assert told == ("expired" in sentence)
    finally:
        gateway.stop()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@every_certificate
def test_influxdb_is_trusted_by_its_certificate(
    authority: str, shown: Callable[[], trustme.LeafCert], sentence: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown().configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        http = Http(f"https://127.0.0.1:{server.server_port}", 5, authority)
        if sentence:
            with pytest.raises(StoreDenied) as caught:
                http.request("GET", "/ping")
            assert f"InfluxDB at {http.base}: {sentence}" in str(caught.value)
        else:
            assert http.request("GET", "/ping").status == 204
        http.close()
        server.shutdown()


def test_without_an_authority_of_its_own_influxdb_is_trusted_as_the_system_says() -> None:
    """So a certificate that nobody vouches for is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _good().configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StoreDenied, match="of no authority that is trusted here"):
            Http(f"https://127.0.0.1:{server.server_port}", 5).request("GET", "/ping")
        server.shutdown()
