"""The page's files: which are served and how, and that none needs another machine."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from gateway.failures import Failed
from gateway.http.assets import PREFIX, Assets
from gateway.settings import GatewaySettings
from spindle import catalog
from spindle.errors import InvalidInput
from spindle.settings import load

FOLDER = Path(__file__).parents[2] / "gateway" / "page"
OWN = sorted(path for path in FOLDER.glob("*.*") if path.suffix in (".html", ".css", ".js"))


def version(assets: Assets) -> str:
    page = bytes(assets.page().body).decode()
    found = re.search(PREFIX.strip("/") + "/([0-9a-f]{16})/app.js", page)
    assert found is not None
    return found[1]


def test_the_page_is_asked_for_anew_and_its_files_are_kept_for_good() -> None:
    assets = Assets("")
    page, script = assets.page(), assets.file(version(assets), "app.js")
    assert page.headers["cache-control"] == "no-cache"
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["nope.js", "index.html", "../assets.py", "vendor/README.md", ""])
def test_other_files_are_not_served(name: str) -> None:
    assets = Assets("")
    with pytest.raises(Failed, match="there is no"):
        assets.file(version(assets), name)


def test_an_older_version_is_not_answered_with_the_present_one() -> None:
    with pytest.raises(Failed, match="load / again"):
        Assets("").file("0123456789abcdef", "app.js")


def test_behind_a_proxy_addresses_start_with_its_prefix() -> None:
    assert b'<base href="/spindle/">' in Assets("/spindle").page().body


def test_grafana_is_linked_to_where_it_is_known() -> None:
    assert (
        b'data-grafana="http://graf.example:3000"'
        in Assets("", "http://graf.example:3000/").page().body
    )
    assert b'data-grafana=""' in Assets("").page().body
    with pytest.raises(InvalidInput, match="GATEWAY_GRAFANA_URL"):
        load(GatewaySettings, gateway_grafana_url="javascript:alert(1)")


def test_limits_are_the_catalogues() -> None:
    assets = Assets("")
    told = json.loads(bytes(assets.file(version(assets), "catalogue.json").body))
    assert told["DiskTemp"]["critical"] == catalog.METRICS["DiskTemp"].critical
    assert set(told) == set(catalog.METRICS)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_file_names_another_machine(path: Path) -> None:
    assert re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", path.read_text()) == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_needs_what_the_policy_forbids(path: Path) -> None:
    text = path.read_text()
    assert (
        re.findall(r"<style|<script>|\sstyle=|\son[a-z]+=\"|\beval\(|innerHTML =[^=]", text) == []
    )


def test_the_charting_library_is_as_it_was_published() -> None:
    sums = re.findall(
        r"^([0-9a-f]{64})  (\S+)$", (FOLDER / "vendor/README.md").read_text(), re.MULTILINE
    )
    assert len(sums) == 3
    for expected, name in sums:
        content = (FOLDER / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, name
