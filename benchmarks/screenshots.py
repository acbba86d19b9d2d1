"""Pictures of every page, in both themes, two widths and two languages: `make screenshots`.

They show what is in the home folder: with no finished study there, the quickstart is run first.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from shutil import which
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screenshots"
COOKIE = "peft_atlas_language"
WIDTHS = {"wide": 1280, "narrow": 390}
THEMES = ("light", "dark")
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
TALLEST_PIXELS = 6_000
SETTLE_MILLISECONDS = 1_500
"""After the network is quiet: figures are drawn, live pages have heard what is new."""


@dataclass(frozen=True)
class Picture:
    """A page in one look."""

    page: str
    address: str
    theme: str
    width: str
    language: str

    @property
    def file(self) -> str:
        return f"{self.page}-{self.language}-{self.theme}-{self.width}.png"


def addresses(study: int, run: int) -> dict[str, str]:
    """Every page of the product by a name of its own."""
    return {
        "overview": "/",
        "new-study": "/studies/new",
        "studies": "/studies",
        "study": f"/studies/{study}",
        "queue": "/runs?status=",
        "run": f"/runs/{run}",
        "recommend": f"/recommend?study={study}",
        "selection-guide": "/recommend?view=guide",
        "lookup": "/recommend?view=lookup",
        "compare": "/compare",
        "guide": "/guide",
        "import": "/import",
        "admin": "/admin",
        "account": "/account",
        "team": "/team",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs already; without it one is started on the home folder")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--pages", nargs="*", help="only these")
    arguments = parser.parse_args()
    if arguments.url:
        take(arguments.url.rstrip("/"), arguments.folder, arguments.pages)
        return
    with served() as url:
        take(url, arguments.folder, arguments.pages)


def take(url: str, folder: Path, only: list[str] | None = None) -> None:
    """Take every picture of a server into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = addresses(*something_finished(url))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=which("chromium") or which("google-chrome"), args=["--no-sandbox", "--disable-gpu"]
        )
        looks = product(pages.items(), THEMES, WIDTHS, LANGUAGES)
        for (name, address), theme, width, language in looks:
            if not only or name in only:
                picture = Picture(name, address, theme, width, language)
                _take(browser, url, picture, folder)
                print(picture.file)
        browser.close()


def _take(browser: Browser, url: str, picture: Picture, folder: Path) -> None:
    context = browser.new_context(
        viewport={"width": WIDTHS[picture.width], "height": 900},
        color_scheme="dark" if picture.theme == "dark" else "light",
        locale=LANGUAGES[picture.language],
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": COOKIE, "value": picture.language, "url": url}])
    page = context.new_page()
    page.goto(url + picture.address)
    page.wait_for_selector("main h1")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    _fit(page, WIDTHS[picture.width])
    page.screenshot(path=folder / picture.file, full_page=True)
    context.close()


def _fit(page: Page, width: int) -> None:
    """The window as high as the page, so that what is drawn on sight is drawn."""
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST_PIXELS)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(500)


def something_finished(url: str) -> tuple[int, int]:
    """A finished study and a reporting run of it with an adapter; waits for the quickstart where there is none."""
    while True:
        studies = [study for study in read(url, "studies?limit=100")["items"] if study["status"] == "succeeded"]
        if studies:
            study = max(studies, key=lambda found: found["counts"]["succeeded"])["id"]
            runs = read(url, f"runs?study_id={study}&status=succeeded&purpose=report&limit=200")["items"]
            return study, next(run["id"] for run in runs if run["method"] not in ("full", "untuned", "head_only"))
        print("no finished study yet: waiting for the quickstart", file=sys.stderr)
        time.sleep(20)


def read(url: str, path: str) -> Any:
    """An answer of the API."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=30) as answer:
        return json.load(answer)


@contextmanager
def served() -> Iterator[str]:
    """The product on the home folder until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "up", "--port", str(port), "--no-browser", "--no-key"]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                read(url, "healthz")
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    main()
