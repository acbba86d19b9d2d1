"""How soon pages answer in a real browser, beside what is promised: `python -m benchmarks.browser --write`.

A home of its own gets a study of 40 methods x 5 seeds and a run with 5,000 points to a curve; `peft-atlas serve` serves
it, with accounts, to a member who is logged in. Chromium opens the pages with an empty cache (cold) and for the third
time (warm). Times are from the start of the navigation, as the page's own clock has them; bytes are counted by a relay
between browser and server, in loads of their own. Nothing here fails because something is slow: a mark says so.

Interactive: the heatmap is painted, and a click on the button "Rows" has shown its list, in a frame that came after.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import which
from typing import Any

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from app.api.gate import SESSION_COOKIE
from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.services.accounts import sessions, users
from app.settings import Settings
from benchmarks.relay import relayed
from tests.flow.conftest import free_port, wait_for
from tests.flow.large_study import LONG_STEPS, LargeStudy, leave_large_study

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "benchmarks"
PASSWORD = "seven dry garden stones"
PATIENCE_MS = 60_000
MOVES = 20
PARTS = ("loads", "bytes", "moves")
SETTLED_MS = 800
"""After a page is there: what it still does by itself is not the next measurement's."""

INTERACTIVE = "html[data-interactive]"
WATCH = (Path(__file__).parent / "browser_watch.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Place:
    """Where the product answers, and a member's cookie."""

    url: str
    cookie: str
    large: LargeStudy

    @property
    def pages(self) -> dict[str, str]:
        """Whose loading is measured."""
        return {"Study": f"/studies/{self.large.study}", "Run": f"/runs/{self.large.long_run}"}

    @property
    def recommend(self) -> str:
        return f"/recommend?study={self.large.study}"


@dataclass(frozen=True)
class Load:
    """One page, once."""

    interactive_ms: float
    largest_shown_ms: float
    long_tasks_ms: float
    longest_task_ms: float
    moved: float
    """Cumulative layout shift."""
    elements: int


@dataclass(frozen=True)
class Line:
    """One row of the table. most: what is promised, None where nothing is."""

    what: str
    value: float
    unit: str
    most: float | None = None
    detail: str = ""

    @property
    def mark(self) -> str:
        if self.most is None:
            return ""
        return "met" if self.value <= self.most else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/browser.json and browser.md")
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "home") as place,
        sync_playwright() as playwright,
    ):
        found = []
        for line in measured(playwright, place, arguments.rounds, arguments.parts):
            print(f"{line.what}: {line.value:.0f} {line.unit} {line.detail}", file=sys.stderr)
            found.append(line)
    load = {"before": before, "after": os.getloadavg()[0], "processors": os.cpu_count()}
    print(table(found), f"Load average {before:.2f} before, {load['after']:.2f} after.", sep="\n\n")
    if arguments.write:
        write(found, load, arguments.rounds)


@contextmanager
def served(home: Path) -> Iterator[Place]:
    """The web process as it is shipped, over that home."""
    settings = Settings(home=home)
    migrate(settings.database)
    engine = make_engine(settings.database)
    with system_session(engine) as session:
        large = leave_large_study(session)
    users.add_user(engine, "operator", PASSWORD, operator=True, role="admin")
    cookie = sessions.begin_session(engine, users.add_user(engine, "member", PASSWORD)).token
    engine.dispose()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PEFT_ATLAS_")}
    environment |= {"PEFT_ATLAS_HOME": str(home)}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield Place(f"http://127.0.0.1:{port}", cookie, large)
    finally:
        process.terminate()
        process.wait(20)


def measured(playwright: Playwright, place: Place, rounds: int, parts: Sequence[str]) -> Iterator[Line]:
    """What the table says, line by line."""
    if "loads" in parts:
        yield from all_loads(playwright, place, rounds)
    if "bytes" in parts:
        yield from bytes_lines(playwright, place)
    if "moves" in parts:
        with browser(playwright, place) as context:
            yield from curves_lines(context, place)
            yield from moves_lines(context, place)


def all_loads(playwright: Playwright, place: Place, rounds: int) -> Iterator[Line]:
    """Both pages, cold and warm. The first visitor of a process waits for what is imported late: pages are opened once
    for that."""
    with browser(playwright, place) as context:
        for address in place.pages.values():
            loaded(context, place.url + address)
    loads: dict[tuple[str, str], list[Load]] = {}
    for _ in range(rounds):
        for page, address in place.pages.items():
            with browser(playwright, place) as context:
                visits = [loaded(context, place.url + address) for _ in range(3)]
            loads.setdefault((page, "cold"), []).append(visits[0])
            loads.setdefault((page, "warm"), []).append(visits[2])
    for (page, cache), found in loads.items():
        yield from load_lines(page, cache, found)


@contextmanager
def browser(playwright: Playwright, place: Place) -> Iterator[BrowserContext]:
    """A browser as a person has one, with a cache on the disk, which is empty at first."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=which("chromium") or which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
            viewport={"width": 1280, "height": 900},
            locale="en-US",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": SESSION_COOKIE, "value": place.cookie, "url": place.url}])
        context.add_init_script(WATCH)
        try:
            yield context
        finally:
            context.close()


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address, wait_until="commit")
    return page


def loaded(context: BrowserContext, address: str) -> Load:
    """A page from the start of its navigation until it has settled."""
    page = opened(context, address)
    page.wait_for_selector(INTERACTIVE)
    page.wait_for_timeout(SETTLED_MS)
    seen = page.evaluate("window.watchedSoFar()")
    page.close()
    return Load(**seen)


def load_lines(page: str, cache: str, found: list[Load]) -> list[Line]:
    """The medians of a page's loads."""
    promised = 2_000 if page == "Study" else None
    middle = {name: statistics.median(asdict(load)[name] for load in found) for name in asdict(found[0])}
    every = ", ".join(f"{load.interactive_ms:.0f}" for load in found)
    name = f"{page}, {cache}"
    return [
        Line(f"{name}: interactive", middle["interactive_ms"], "ms", promised, every),
        Line(f"{name}: largest content shown", middle["largest_shown_ms"], "ms"),
        Line(f"{name}: long tasks", middle["long_tasks_ms"], "ms", None, f"longest {middle['longest_task_ms']:.0f} ms"),
        Line(f"{name}: layout shift", middle["moved"], ""),
        Line(f"{name}: elements", middle["elements"], ""),
    ]


def bytes_lines(playwright: Playwright, place: Place) -> Iterator[Line]:
    """What travels for a page, websockets included, with an empty cache and for the third time."""
    for page, address in place.pages.items():
        with relayed(place.url) as relay, browser(playwright, replace(place, url=relay.url)) as context:
            requests: list[str] = []
            context.on("request", lambda request, into=requests: into.append(request.url))
            for cache in ("cold", "second", "warm"):
                relay.start_over()
                requests.clear()
                loaded(context, relay.url + address)
                if cache != "second":
                    detail = f"{len(requests)} requests, {relay.connections} connections"
                    yield Line(f"{page}, {cache}: transferred", relay.received / 1e3, "kB", None, detail)


def curves_lines(context: BrowserContext, place: Place) -> Iterator[Line]:
    """Of the run's curves: how many points the page has of those that were measured."""
    page = opened(context, place.url + place.pages["Run"])
    page.wait_for_selector(INTERACTIVE)
    points = page.evaluate("""() => Math.max(...[...document.querySelectorAll('#run-curves .js-plotly-plot')]
        .flatMap(({data}) => data.map(({x}) => x.length)))""")
    page.close()
    yield Line(f"Run: points shown of a curve's {LONG_STEPS:,}", points, "", 320)


def moves_lines(context: BrowserContext, place: Place) -> Iterator[Line]:
    """From a key on a slider of the Recommend page, and on the order of the heatmap, until the answer is painted."""
    page = opened(context, place.url + place.recommend)
    page.wait_for_selector(".recommend-headline")
    page.wait_for_timeout(SETTLED_MS)
    thumbs = page.locator(".weight [role=slider]")
    # One after the other, so that no answer was given before.
    times = [
        answered(page, "#recommend-answer", lambda k=k: thumbs.nth(k % 3).press("ArrowRight")) for k in range(MOVES)
    ]
    page.close()
    yield from quantiles("Recommend: answer to a moved weight", times)
    page = opened(context, place.url + place.pages["Study"])
    page.wait_for_selector(INTERACTIVE)
    page.keyboard.press("Escape")
    page.wait_for_timeout(SETTLED_MS)
    order = page.locator("#study-order")
    times = [answered(page, "#study-figure .main-svg", lambda: order.press("Space")) for _ in range(MOVES)]
    page.close()
    yield from quantiles("Study: heatmap in another order", times)


def answered(page: Page, changing: str, move: Callable[[], Any]) -> float:
    """Milliseconds from the next key to the frame after the element has changed."""
    page.evaluate("(changing) => window.watchAnswer(changing)", changing)
    move()
    page.wait_for_selector("html[data-answered]")
    page.wait_for_timeout(100)
    return float(page.evaluate("window.watched.answered"))


def quantiles(what: str, times: list[float]) -> list[Line]:
    ordered = sorted(times)
    p95 = ordered[max(0, round(0.95 * len(ordered)) - 1)]
    return [Line(f"{what}, p50", statistics.median(times), "ms"), Line(f"{what}, p95", p95, "ms", 300)]


def table(lines: list[Line]) -> str:
    """Markdown, and readable as it stands."""
    rows = [("", "measured", "promised", "", "")]
    for line in lines:
        value = f"{line.value:.3f}" if line.value < 1 else f"{line.value:,.0f}"
        most = "" if line.most is None else f"≤ {line.most:,.0f} {line.unit}".strip()
        rows.append((line.what, f"{value} {line.unit}".strip(), most, line.mark, line.detail))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in ruled
    )


def write(found: list[Line], load: dict[str, Any], rounds: int) -> None:
    """The figures for programs, and the page's table for people."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    document = {"lines": [asdict(line) | {"mark": line.mark} for line in found], "load_average": load, "rounds": rounds}
    (FOLDER / "browser.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page = FOLDER / "browser.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->")
    _, _, after = rest.partition("<!-- end of table -->")
    said = (
        f"Medians of {rounds} loads on {load['processors']} processors; load average {load['before']:.2f} before and"
        f" {load['after']:.2f} after."
    )
    body = f"<!-- table -->\n\n{said}\n\n{table(found)}\n\n<!-- end of table -->"
    page.write_text(before + body + after, encoding="utf-8")


if __name__ == "__main__":
    main()
