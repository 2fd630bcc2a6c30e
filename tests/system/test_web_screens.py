"""The generated screens in a browser: in the real web runtime, with a running IOC, on a desktop and on a phone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pixieioc.export.phone import phone_screens
from pixieioc.export.phone.page import PAGE_WIDTH
from pixieioc.export.screens import style
from pixieioc.export.write import write
from tests.conftest import CA_PORTS
from tests.export.described import DEMO, of_file
from tests.running_ioc import ROOT, Ioc, ioc_folder, running
from tests.system.chromium import Absent, Browser, Page, chromium, find_chromium
from tests.system.web_runtime import READY, WebRuntime, find_web_runtime, web_runtime

PHONE = 400
#: What must not be on a page: widgets that are unknown, or failed, or have no process variable.
WRONG = ".Debug, .Error, .BorderDisconnected"
#: One screen of each kind; the last is that of which values are watched.
FILES = ("pipeline.bob", "spectra.bob", "log_spectra.bob", "traces.bob", "rates.bob", "alarms.bob", "run.bob")
#: The document in the frame of the page for a phone, and its runtime.
INSIDE = "document.querySelector('iframe').contentWindow"


@dataclass(frozen=True)
class Site:
    """A running demo, and how it is looked at."""

    ioc: Ioc
    web: WebRuntime
    browser: Browser

    def desktop(self) -> Page:
        """A window that shows a whole screen."""
        return self.browser.page(1650, 1080)

    def phone(self) -> Page:
        """A phone with the page that is made for it."""
        page = self.browser.page(PHONE, 800, phone=True)
        page.open(f"{self.web.root}/web/index.html?P={self.ioc.prefix}")
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All of it, and a run."""
    try:
        find_web_runtime()
        find_chromium()
    except Absent as error:
        pytest.skip(str(error))
    phone = tmp_path_factory.mktemp("web")
    write(phone, phone_screens(of_file(DEMO)))
    addresses = " ".join(f"127.0.0.1:{port}" for port in CA_PORTS)
    with ioc_folder() as folder, running(Ioc(folder, "run", DEMO)) as ioc:
        ioc.put_and_forget("Acquire", 1)
        with web_runtime({"opi": ROOT / "opi", "web": phone}, addresses) as web, chromium() as browser:
            yield Site(ioc, web, browser)


def test_screens_of_the_desktop_show_live_values_of_the_run(site: Site) -> None:
    page = site.desktop()
    for file in FILES:
        site.web.show(page, f"opi/{file}", {"P": site.ioc.prefix})
        assert page.value(f"document.querySelectorAll('{WRONG}').length") == 0, file
        assert [said for said in page.problems() if "NaN" not in said] == [], (
            file
        )  # of a logarithmic axis without events
    events = f"dbwr.pv_infos['{site.ioc.prefix}SnapTraces:Events_RBV'].data.value"
    page.until(f"{events} > {page.value(events)}")
    assert not page.value(f"dbwr.pv_infos['{site.ioc.prefix}Acquire'].data.readonly === false")


def test_a_phone_shows_its_screens_as_wide_as_it_is(site: Site) -> None:
    page = site.phone()
    for place in ("Run", "Pipeline", "Spectra", "Rates", "Alarms"):
        if place != "Run":
            page.value(f"[...{INSIDE}.document.querySelectorAll('button')].find(b => b.innerText == '{place}').click()")
        page.until(f"{INSIDE}.document.title == '{place} {site.ioc.prefix}'")
        page.until(f"{INSIDE}.eval({json.dumps(READY)})")
        assert page.value(f"{INSIDE}.document.querySelectorAll('{WRONG}').length") == 0, place
        page.until(f"{INSIDE}.document.body.innerText.includes('Acquire')")
        assert page.problems() == [], place
        # One pixel of a screen is one of the phone, whatever that thinks of pages; and nothing lies beside it.
        assert page.value("[innerWidth, document.documentElement.scrollWidth]") == [PAGE_WIDTH, PAGE_WIDTH]
        assert page.value(f"{INSIDE}.document.documentElement.scrollWidth - {INSIDE}.innerWidth") == 0, place


def test_a_link_in_which_items_wait_is_red_in_a_browser(site: Site) -> None:
    page = site.desktop()
    site.web.show(page, "opi/pipeline.bob", {"P": site.ioc.prefix})
    colours = "[...document.querySelectorAll('polyline')].map(line => line.getAttribute('stroke'))"
    red = f"#{style.MAJOR.red:02X}{style.MAJOR.green:02X}{style.MAJOR.blue:02X}"
    assert red not in page.value(colours)
    stopped = site.ioc.pid_of("GatherEvents")
    os.kill(stopped, signal.SIGSTOP)
    try:
        page.until(f"{colours}.includes('{red}')", 60)
    finally:
        os.kill(stopped, signal.SIGCONT)
    page.until(f"!{colours}.includes('{red}')", 60)


def test_an_ioc_that_is_gone_leaves_no_state_that_looks_like_its_present_one(site: Site) -> None:
    """The last one: it ends the IOC."""
    page = site.phone()
    shown = f"{INSIDE}.document.body.innerText"
    page.until(f"{shown}.includes('Acquire') && !{shown}.includes('No connection')")
    site.ioc.end()
    page.until(f"{shown}.includes('No connection') && !{shown}.includes('Acquire')")
    number = f"{INSIDE}.document.querySelector('[data-pv=\"{site.ioc.prefix}RunId_RBV\"]')"
    page.until(f"{number}.innerText.includes('NaN') && /Border/.test({number}.className)")
