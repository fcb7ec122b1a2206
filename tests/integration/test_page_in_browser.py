"""The page in a real browser (Debian's chromium, headless) over a running pipeline."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spindle.timestamps import format_ns
from tests.integration.gateway_world import World, world
from tests.servers import Server, find, influxd, running
from tests.waiting import PATIENCE_SECONDS

webdriver: Any = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
axe: Any = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver"
)

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
NAMES = [f"array1-disk{number}" for number in range(1, 4)]


def reading(device: str, temperature: float, ns: int | None = None) -> dict[str, Any]:
    when = format_ns(time.time_ns() if ns is None else ns)
    return {
        "timestamp": when,
        "sourceDevice": "DiskUnit",
        "metricType": "DiskTemp",
        "value": temperature,
        "deviceId": device,
        "arrayId": "array1",
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An influxd of this module alone, which stops it."""
    if find("influxd") is None:
        pytest.skip("influxd is not installed: on Debian ./run.sh test unpacks package influxdb")
    with running(influxd(tmp_path_factory.mktemp("influxd"))) as server:
        yield server


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, store: Server) -> Iterator[World]:
    url = f"influxdb://{store.url}/page"
    with world(tmp_path_factory.mktemp("page")) as made:
        made.start("writer", wait=False, store_url=url)
        made.start("reader", store_url=url)
        yield made


@pytest.fixture(scope="module")
def gateway(pipeline: World) -> str:
    grafana = "http://grafana.example:3000"
    return f"http://127.0.0.1:{pipeline.start('gateway', gateway_grafana_url=grafana).port}/"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}/profile"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    made = webdriver.Chrome(options=options, service=service)
    try:
        yield made
    finally:
        made.quit()


def report(pipeline: World, hot: str = "") -> None:
    readings = [reading(name, 70.0 if name == hot else 35.0) for name in NAMES]
    pipeline.publish("events.metrics", *readings)


def until(found: Callable[[], bool], meanwhile: Callable[[], None]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found():
            return True
        meanwhile()
        time.sleep(0.4)
    return found()


def text(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def classes(browser: Any, device: str) -> str:
    script = "return document.querySelector(`.tile[href*='/${arguments[0]}/']`)?.className ?? ''"
    return str(browser.execute_script(script, device))


def serious(browser: Any) -> list[str]:
    """What axe-core calls a serious or critical fault of the page as it stands."""
    browser.set_script_timeout(60)
    browser.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = browser.execute_async_script("axe.run().then((all) => arguments[0](all.violations))")
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html'][:200]}" for each in bad for node in each["nodes"]]


def resize(browser: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def test_an_empty_system_says_what_to_do_next(gateway: str, browser: Any) -> None:
    browser.get(gateway)
    assert until(lambda: "No device has reported yet" in text(browser), lambda: None)
    assert "./run.sh start" in text(browser)


def test_a_fault_turns_its_tile_within_10_seconds_and_says_why(
    pipeline: World, gateway: str, browser: Any
) -> None:
    report(pipeline)
    browser.get(gateway)
    well = lambda: "tile ok" in classes(browser, NAMES[2])  # noqa: E731 - one expression
    assert until(well, lambda: report(pipeline))
    ill = lambda: "tile critical" in classes(browser, NAMES[2])  # noqa: E731 - one expression
    # The catalogue wants five seconds past the limit before it counts.
    assert until(ill, lambda: report(pipeline, hot=NAMES[2])), classes(browser, NAMES[2])
    assert "DiskTemp 70 °C" in text(browser)
    assert "tile ok" in classes(browser, NAMES[0])


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ("fleet", "array1-disk1"),
        ("device/DiskUnit/array1-disk3", "Disk temp"),
        ("events", "events"),
        ("parking", "Inside now"),
        ("pipeline", "Every point is accounted for"),
    ],
)
def test_each_view_shows_its_data_without_an_error_in_the_dark_and_in_the_light(
    pipeline: World, gateway: str, browser: Any, view: str, says: str
) -> None:
    resize(browser, 390, 844)
    browser.get(gateway)
    browser.execute_script("localStorage.setItem('theme', 'dark')")
    browser.get("about:blank")
    browser.get(f"{gateway}#/{view}")
    assert until(lambda: says in text(browser), lambda: report(pipeline)), text(browser)
    assert ("in Grafana" in text(browser)) == view.startswith("device")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert serious(browser) == []
    for _ in ("auto", "light"):
        browser.execute_script("document.getElementById('theme').click()")
    for width, height in ((390, 844), (1280, 800)):
        resize(browser, width, height)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert serious(browser) == [], width
    assert browser.execute_script("return document.documentElement.dataset.theme") == "light"
    assert browser.get_log("browser") == []


def test_a_dead_letter_is_shown_with_its_reason_and_replayed_by_a_press(
    pipeline: World, gateway: str, browser: Any
) -> None:
    pipeline.publish("events.metrics", {"value": "hot"})
    browser.get(f"{gateway}#/pipeline")
    assert until(lambda: "Replay all invalid" in text(browser), lambda: None), text(browser)
    assert "sourceDevice" in text(browser)  # the reason
    browser.find_element("css selector", "button[aria-label='Replay dead letter 1']").click()
    # Its cause is not gone: it comes back, as another letter.
    assert until(lambda: "1 sent again" in text(browser), lambda: None), text(browser)
    comes_back = "return !!document.querySelector(`[aria-label='Replay dead letter 2']`)"
    assert until(lambda: bool(browser.execute_script(comes_back)), lambda: None)
    assert "Replay dead letter 1" not in browser.page_source
    assert serious(browser) == []
    assert browser.get_log("browser") == []


def test_a_writer_that_is_dead_looks_dead_and_what_waits_for_it_gets_older(
    pipeline: World, gateway: str, browser: Any
) -> None:
    writer = next(service for service in pipeline._started if service.name == "writer")
    browser.get(f"{gateway}#/pipeline")
    assert until(lambda: "Every point is accounted for" in text(browser), lambda: None)
    writer.stop()
    waits = re.compile(r"Waiting\s+[0-9,]+ for [0-9.]+\ss")
    aged = lambda: bool(waits.search(text(browser)))  # noqa: E731 - one expression
    assert until(aged, lambda: report(pipeline)), text(browser)
    assert "No writer answers" in text(browser)
    assert "accounted for" not in text(browser)
    writer.start()
    again = lambda: "Every point is accounted for" in text(browser)  # noqa: E731 - one expression
    assert until(again, lambda: None)
    measured = lambda: bool(re.search(r"Latency, 99 %\s+[0-9.]+\ss", text(browser)))  # noqa: E731
    assert until(measured, lambda: report(pipeline)), text(browser)


def test_a_tile_says_what_its_readings_are_and_which_disk_it_is_however_long_its_name(
    pipeline: World, gateway: str, browser: Any
) -> None:
    name = "wwn-0x" + "5000c500" * 14 + "-bay-12"
    full = reading(name, 61.26) | {"metricType": "CapacityUsed", "value": 54.63}
    pipeline.publish("events.metrics", reading(name, 33.4), full)
    browser.get(gateway)
    tile = f"document.querySelector(`.tile[href*='/{name}/']`)"
    there = lambda: bool(browser.execute_script(f"return !!{tile}"))  # noqa: E731 - one expression
    assert until(there, lambda: None)
    short = f"{tile}.querySelector('bdi').innerText"
    said, shown, title = browser.execute_script(f"return [{tile}.innerText, {short}, {tile}.title]")
    assert shown.endswith("-bay-12")
    assert "33\u00a0°C · full\u00a055\u00a0%" in said
    assert "Capacity used 54.6\u00a0%" in title
    assert name in title
    wide = f"return {tile}.scrollWidth <= {tile}.clientWidth"
    assert browser.execute_script(wide)


@pytest.mark.parametrize("part", ["reader", "nats", "gateway", "store"])
def test_what_is_away_is_named_the_picture_stays_with_its_age_and_the_page_recovers(
    pipeline: World, gateway: str, browser: Any, store: Server, part: str
) -> None:
    services = {service.name: service for service in pipeline._started}
    servers = {"nats": pipeline.nats, "store": store}
    away: Any = servers.get(part) or services[part]
    name = "influxdb at" if part == "store" else part
    browser.get(gateway)
    shown = lambda: "array1-disk1" in text(browser)  # noqa: E731 - one expression
    assert until(shown, lambda: report(pipeline))
    away.stop()

    def stale() -> bool:
        look = "return document.querySelector('main').classList.contains('stale')"
        return bool(browser.execute_script(look))

    assert until(stale, lambda: None)
    assert until(lambda: name in text(browser).lower(), lambda: None)
    assert "The picture is" in text(browser)
    assert "array1-disk1" in text(browser)  # the last picture stays
    if part == "store":  # what needs no store goes on, and says so
        browser.execute_script("location.hash = '#/pipeline'")
        assert until(lambda: "Every point is accounted for" in text(browser), lambda: None)
        assert name in text(browser).lower()
        assert not stale()
        browser.execute_script("location.hash = '#/fleet'")
        assert until(stale, lambda: None)
    away.start()
    assert until(lambda: not stale(), lambda: None)


def test_a_wrong_token_is_told_and_the_right_one_opens_the_page(
    pipeline: World, browser: Any
) -> None:
    guarded = pipeline.start("gateway", gateway_token="right-token-of-16+")
    browser.get(f"http://127.0.0.1:{guarded.port}/")

    def refused() -> bool:
        return "not the token" in text(browser)

    opened = "return document.getElementById('token').open"
    for token in ("wrong", "right-token-of-16+"):
        assert until(lambda: bool(browser.execute_script(opened)), lambda: None)
        assert refused() == (token != "wrong")
        field = browser.find_element("css selector", "#token input")
        field.send_keys(token)
        browser.find_element("css selector", "#token button").click()
        assert until(refused if token == "wrong" else lambda: not refused(), lambda: None)
    assert until(lambda: "array1-disk1" in text(browser), lambda: report(pipeline))
    guarded.stop()
