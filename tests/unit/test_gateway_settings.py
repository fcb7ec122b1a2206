"""Who may reach the gateway, and what it says when that is not thought through."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from gateway.settings import GatewaySettings
from spindle.errors import InvalidSettings
from spindle.settings import load


def refused(**given: object) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load(GatewaySettings, **given)
    (sentence,) = caught.value.mistakes
    return sentence


def test_it_listens_on_port_5000_of_this_machine_alone() -> None:
    settings = load(GatewaySettings)
    assert (settings.host, settings.gateway_http_port) == ("127.0.0.1", 5000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gateway.example.com"])
def test_bound_elsewhere_without_a_token_it_refuses_and_says_what_may_be_done(host: str) -> None:
    sentence = refused(gateway_host=host)
    assert sentence.startswith("GATEWAY_TOKEN: ")
    assert host in sentence
    assert "GATEWAY_ALLOW_ANONYMOUS=true" in sentence
    assert refused(http_host=host) == sentence
    assert load(GatewaySettings, gateway_host=host, gateway_token="t").host == host
    assert load(GatewaySettings, gateway_host=host, gateway_allow_anonymous=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert load(GatewaySettings, gateway_host=host).host == host


def test_in_a_container_the_published_address_decides() -> None:
    inside = {"gateway_host": "0.0.0.0"}
    load(GatewaySettings, **inside, gateway_published_host="127.0.0.1")
    assert "192.168.1.7" in refused(**inside, gateway_published_host="192.168.1.7")


def test_a_token_is_never_repeated_in_a_mistake() -> None:
    assert "söcret" not in refused(gateway_token="söcret")


@pytest.mark.parametrize("origins", ["*", "example.com", "https://a.example/path", "ftp://x"])
def test_an_origin_is_a_scheme_and_a_host(origins: str) -> None:
    assert "expected origins such as" in refused(gateway_cors_origins=origins)


def test_origins_are_separated_by_commas() -> None:
    settings = load(
        GatewaySettings, gateway_cors_origins="https://a.example, http://b.example:8080"
    )
    assert settings.origins == ["https://a.example", "http://b.example:8080"]


def test_a_certificate_wants_its_own_key(tmp_path: Path) -> None:
    """Both PEM; said before anything listens."""
    authority = trustme.CA()
    one, other = (authority.issue_cert("127.0.0.1") for _ in range(2))
    cert, key, wrong = (str(tmp_path / name) for name in ("cert.pem", "key.pem", "wrong.pem"))
    one.cert_chain_pems[0].write_to_path(cert)
    one.private_key_pem.write_to_path(key)
    other.private_key_pem.write_to_path(wrong)
    assert load(GatewaySettings, gateway_tls_cert=cert, gateway_tls_key=key).gateway_tls_key == key
    for pair in ((cert, wrong), (key, cert), (__file__, key)):
        sentence = refused(gateway_tls_cert=pair[0], gateway_tls_key=pair[1])
        assert "expected a certificate and its own key, both PEM" in sentence
    both = "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY: set both or neither"
    assert refused(gateway_tls_cert=cert, nats_url="nats://me:secret@127.0.0.1") == both
