"""A store with a few weighings, the real service over it, and a real browser that reaches nothing else."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.support.quick_task import QUICK
from weighbridge.domain import workflow
from weighbridge.domain.system import Clock
from weighbridge.domain.tasks.time_to_dispatch import simulate
from weighbridge.entrypoints.container import Container, wire
from weighbridge.entrypoints.settings import load_settings

COMMAND = str(Path(sys.executable).with_name("weighbridge"))
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)

#: Days of data that were shuffled, and are refused; and one with few rows, which is warned of.
_SHUFFLED, _FEW, _DAYS = {2}, {3}, 5


class _Days(Clock):
    """A clock that is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return 0.0


@dataclass
class Served:
    """A running service, and the store that it follows."""

    address: str
    container: Container


class Seen:
    """A page in a browser, what it asked for, and what it complained of."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context.set_default_timeout(30_000)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page: Page = context.new_page()

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.address + path)
        return self.page

    def _request(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def outside(self) -> list[str]:
        """What was asked of anybody else."""
        return [asked for asked in self.asked if not asked.split(" ")[1].startswith((self.address, "data:"))]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = tmp_path_factory.mktemp("browser") / "store"
    container = wire(load_settings({"store": str(store), "create_store": True}))
    clock = _Days(datetime.now(UTC) - timedelta(days=_DAYS, hours=3))
    container.clock.override(clock)
    for day in range(_DAYS):
        clock.at += timedelta(days=1, minutes=7)
        shuffled = ("SKU002", "SKU004") if day in _SHUFFLED else ()
        data = simulate(300 if day in _FEW else 1000, day, shuffled).to_csv(index=False).encode()
        workflow.put_dataset(QUICK, ".csv", BytesIO(data), clock.at, container.ports())
        workflow.train_and_release(QUICK, container.ports())
    container.clock.reset_override()
    arguments = [COMMAND, "serve", "--store", str(store), "--port", "0", "--refresh-seconds", "0.5"]
    server = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = next(found[0] for line in server.stderr if (found := re.search(r"http://127[.\d]+:\d+", line)))
        yield Served(address, container)
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()


@pytest.fixture
def seen(served: Served, browser: Browser) -> Iterator[Seen]:
    """A fresh page; in the end nothing was asked of anybody else, and nothing complained of but refused input."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    seen = Seen(context, served.address)
    yield seen
    context.close()
    assert seen.outside() == []
    assert [one for one in seen.complaints if "status of 422" not in one] == []
