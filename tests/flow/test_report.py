"""The report in a real browser without a network: it asks for nothing, runs nothing, fits a phone and a dark room."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Configuration, Run, Study
from app.services.callers import LOCAL
from app.services.exports import export_study
from tests.app.services import exported

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SCRIPT = "<script>window.ran = true</script>\"'><img src=http://example.org/x onerror='window.ran = true'>"


@pytest.fixture
def file(engine: Engine, tmp_path: Path) -> Path:
    """A report whose names try to run something and to load something."""
    study = exported.finished(engine)
    with system_session(engine) as session:
        session.get_one(Study, study).name = SCRIPT
        for row in session.scalars(select(Configuration)):
            row.label = f"{row.label} {SCRIPT}" if row.method == "lora" else row.label
        for run in session.scalars(select(Run).where(Run.status == "failed")):
            run.reason = SCRIPT
    path = tmp_path / "report.html"
    path.write_text(export_study(engine, LOCAL, study, "html"), encoding="utf-8")
    return path


def opened(
    browser: "Browser", file: Path, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> "tuple[Page, list[str]]":
    """The report's page, and everything that it asked for or complained of besides itself."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=True
    )
    page = context.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_load_state("networkidle")
    return page, [entry for entry in seen if entry != file.as_uri()]


def test_it_asks_for_nothing_and_runs_nothing(browser: "Browser", file: Path) -> None:
    page, seen = opened(browser, file)
    assert seen == []
    assert page.evaluate("window.ran") is None
    assert page.locator("h1").inner_text() == SCRIPT
    assert page.locator("script, img, iframe, link").count() == 0
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_does_not_scroll_sideways(browser: "Browser", file: Path, width: int) -> None:
    page, _ = opened(browser, file, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = page.locator("svg.figure:visible")
    assert shown.count() == 2
    boxes = [shown.nth(place).bounding_box() for place in range(2)]
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    page.context.close()


def test_text_is_large_enough_on_a_phone(browser: "Browser", file: Path) -> None:
    page, _ = opened(browser, file, width=390)
    heights = page.evaluate(
        "[...document.querySelectorAll('svg.only-narrow text')].map(text => text.getBoundingClientRect().height)"
    )
    assert min(heights) >= 10
    page.context.close()


def contrast(page: "Page", selector: str) -> float:
    """The least WCAG contrast of the text that a selector finds with what is behind it."""
    return float(
        page.evaluate(
            """(selector) => {
            const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = (c) => { c = c / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
            const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
            const behind = (element) => {
                for (; element; element = element.parentElement) {
                    const found = channels(getComputedStyle(element).backgroundColor);
                    if (found.length === 3 || found[3] > 0) return found;
                }
                return [255, 255, 255];
            };
            const shown = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
            const ratios = shown.map((element) => {
                const svg = element instanceof SVGElement;
                const style = getComputedStyle(element);
                const [ink, ground] = [channels(svg ? style.fill : style.color), behind(element)].map(luminance);
                return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
            });
            return Math.min(...ratios);
        }""",
            selector,
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_themes(browser: "Browser", file: Path, scheme: Literal["light", "dark"]) -> None:
    page, _ = opened(browser, file, scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 245)", "dark": "rgb(14, 20, 19)"}[scheme]
    for selector in ("td, th, p, li, dd, dt, h1, h2", "td span", "svg text"):
        assert contrast(page, selector) >= 4.5, selector
    page.context.close()


def test_paper_is_light_and_holds_all_of_it(browser: "Browser", file: Path, tmp_path: Path) -> None:
    page, _ = opened(browser, file, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert contrast(page, "td, th, p, h2, svg text") >= 4.5
    page.set_viewport_size({"width": 690, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 690
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.context.close()
