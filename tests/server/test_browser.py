"""The page in a real browser: signing in by the printed address, and staying fresh under the strict content policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.runs.machine import Performed
from tests.parts.browser import browsing
from tests.runs.counting import counting
from tests.server.house import housed


@pytest.mark.timeout(180)
async def test_a_printed_address_signs_in_and_the_page_stays_fresh(tmp_path: Path) -> None:
    async with housed(tmp_path, never=frozenset({"count:0"})) as house, browsing(tmp_path) as browser:
        await house.conductor.submit(counting("first", 1))
        await browser.go(f"{house.url}/#{house.auth.one_time()}")
        await browser.until("document.querySelector('.state')?.textContent === 'running'")
        assert await browser.script("location.hash") == ""
        assert await browser.script("document.cookie") == ""  # no script can read it

        await house.conductor.submit(counting("second", 1))
        await browser.until("document.querySelectorAll('.name').length === 2")

        await browser.go(f"{house.url}/runs/first")
        await browser.until("document.querySelector('h1 .state')?.textContent === 'running'")
        house.conductor.tell("first", Performed(0.0, "count:0"))
        await browser.until("document.querySelector('h1 .state')?.textContent === 'succeeded'")

        await browser.script("document.querySelector('nav button').click()")
        await browser.until("document.querySelector('#sign-in') !== null")
        await browser.go(f"{house.url}/#used-or-wrong")
        await browser.until("document.querySelector('#said')?.textContent.includes('used already')")
        complaints = [text for text in browser.complaints if "401" not in text]
        assert complaints == []
