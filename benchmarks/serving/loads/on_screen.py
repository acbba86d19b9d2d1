"""From a point's writing to its being shown: a run as a worker writes it, and its page in a real browser."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright
from sqlalchemy import Engine, select

from app.api.gate import SESSION_COOKIE
from app.db.session import database_now, make_engine, system_session
from app.db.tables import Run
from app.services.run_queue import Lease, record_events, register_worker
from benchmarks.serving.products.atlas import Atlas
from peft_core.spec import Point, Progress
from tests.conftest import CHROMIUM_FLAGS

CHROMIUM = "/usr/bin/chromium"
EVERY_SECONDS = 1.0
STEPS = 100_000
NOTES_EACH_CHANGE = """() => {
  window.shown = [];
  const look = () => {
    const text = document.querySelector('.run-progress .big')?.innerText ?? '';
    if (text && window.shown.at(-1)?.[1] !== text) {
      window.shown.push([(performance.timeOrigin + performance.now()) / 1000, text]);
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
  look();
}"""


class StreamedRun:
    """A run of the filled study that is written as a worker does it: through the queue, once a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._end = engine, threading.Event()
        self.written: dict[int, float] = {}
        """When the transaction with a step was committed."""
        self.took: list[float] = []
        self._lease = self._claim()
        self._thread = threading.Thread(target=self._write)

    @property
    def run_id(self) -> int:
        return self._lease.run_id

    def _claim(self) -> Lease:
        with system_session(self._engine) as session:
            run = session.scalars(
                select(Run).where(Run.team_id == 1, Run.status == "failed").order_by(Run.id).limit(1)
            ).one()
            now = database_now(session)
            run.worker_id = register_worker(session, "benchmark", "cpu", {})
            run.status, run.attempt, run.lease_token, run.reason = "running", 1, "benchmark", None
            run.started_at, run.ended_at, run.updated_at = now, None, now
            return Lease(run.id, run.team_id, run.attempt, "benchmark")

    def _write(self) -> None:
        for step in range(1, STEPS):
            began = time.time()
            with system_session(self._engine) as session:
                told = [Progress(phase="training", step=step, total_steps=STEPS)]
                record_events(session, self._lease, [*told, Point(key="train_loss", step=step, value=1 / step)])
            self.written[step] = time.time()
            self.took.append(self.written[step] - began)
            if self._end.wait(max(0.0, began + EVERY_SECONDS - time.time())):
                return

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """Until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()


@contextmanager
def streamed(atlas: Atlas) -> Iterator[StreamedRun]:
    """A run that is written to while the block lasts."""
    engine = make_engine(atlas.settled.database)
    run = StreamedRun(engine)
    with run.written_to():
        yield run
    engine.dispose()


def watched_in_a_browser(atlas: Atlas, run: StreamedRun, seconds: float) -> list[float]:
    """For each step that was written meanwhile, the seconds until its page showed it or a later one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_FLAGS))
        context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-US")
        host = urlsplit(atlas.url).hostname or ""
        cookie = {"name": SESSION_COOKIE, "value": atlas.settled.session, "domain": host, "path": "/"}
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(f"{atlas.url}/runs/{run.run_id}")
        page.wait_for_selector(".run-progress .big", timeout=30_000)
        page.evaluate(NOTES_EACH_CHANGE)
        began = time.time()
        page.wait_for_timeout(seconds * 1_000)
        shown = [(at, int(text.split()[0].replace(",", ""))) for at, text in page.evaluate("window.shown")]
        browser.close()
    return [
        next(at for at, seen in shown if seen >= step) - written
        for step, written in run.written.items()
        if written > began and shown and step <= shown[-1][1]
    ]
