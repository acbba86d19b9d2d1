"""L6 and L7: twenty viewers and eight streaming runs at once, and what a run that trains meanwhile notices of them.

A viewer asks every two seconds what an open page asks: half of them a Run's page, half a Study's. A streaming run
writes ten points every second, and a write is in time where it is answered before the next one is due. Beside them,
one run is written by the queue as a worker does it, and followed by a real browser on its page.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.serving.clients import Answers, Client, Request, ask, connect, send
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.on_screen import streamed, watched_in_a_browser
from benchmarks.serving.loads.target import Target, milliseconds
from benchmarks.serving.products.atlas import API, Atlas

VIEWERS = 20
STREAMS = 8
LOOK_SECONDS = 2.0
WRITE_SECONDS = 1.0
POINTS = 10
TRAINING_STEPS = 500
TRAINED_RUNS = 3
TRAINING_LIMIT_SECONDS = 600.0
END_SECONDS = 30.0


def measure(target: Target, minutes: float, *, training: bool) -> Iterator[Figure]:
    """L6 for so many minutes; training: L7 as well, with three runs that train alone and three beside as much again."""
    atlas = target.product
    assert isinstance(atlas, Atlas)
    seconds = 60 * minutes
    note = f"{minutes:g} minutes"
    answers, shown, _ = _everybody(atlas, seconds, training=False)
    due = len(answers.seconds["write"])
    late = sum(took > WRITE_SECONDS for took in answers.seconds["write"])
    yield target.figure("late_writes", late, answers, f"{note}; {late} of {due} writes")
    yield target.figure("watching_read", milliseconds(answers.percentile(99)), answers, note)
    yield target.figure("watching_write", milliseconds(answers.percentile(99, "write")), answers, note)
    if shown:
        half = f"{note}; half within {median(shown):.2f} s, of {len(shown)} points on a Run's page"
        yield target.figure("on_screen", round(max(shown), 2), note=half)
    if training:
        alone = _training_seconds(atlas)
        _, _, beside = _everybody(atlas, seconds, training=True)
        said = f"{median(alone):.1f} s alone, {median(beside):.1f} s beside L6, medians of {TRAINED_RUNS} runs"
        yield target.figure("slowed", round(100 * (median(beside) / median(alone) - 1), 1), note=said)


def _everybody(atlas: Atlas, seconds: float, *, training: bool) -> tuple[Answers, list[float], list[float]]:
    streaming = [atlas.new_run() for _ in range(STREAMS)]
    watched, answers, beside = [*streaming, atlas.filled.long_run], Answers(), []
    clients = [_viewer(atlas, watched[place % len(watched)], place) for place in range(VIEWERS)]
    clients += [_stream(atlas, run, place, seconds) for place, run in enumerate(streaming)]

    def load() -> None:
        found = ask(atlas.url, atlas.headers, clients, at_most_seconds=seconds)
        answers.add(found)
        answers.wall_seconds, answers.client_cpu_seconds = found.wall_seconds, found.client_cpu_seconds

    asking = threading.Thread(target=load)
    with streamed(atlas) as run:
        asking.start()
        trains = threading.Thread(target=lambda: beside.extend(_training_seconds(atlas)))
        if training:
            trains.start()
        shown = watched_in_a_browser(atlas, run, seconds)
        asking.join()
        if training:
            trains.join()
    return answers, shown, beside


def _viewer(atlas: Atlas, run: int, place: int) -> Client:
    study = atlas.filled.study
    run_page = [Request("GET", f"{API}/runs/{run}"), Request("GET", f"{API}/runs/{run}/curves")]
    study_page = [Request("GET", f"{API}/studies/{study}"), Request("GET", f"{API}/studies/{study}/comparison")]
    asked = study_page if place % 2 else run_page
    # Not all at the same moment, as people are not.
    return Client(asked, every=LOOK_SECONDS / len(asked), first=place * LOOK_SECONDS / VIEWERS, repeat=True)


def _stream(atlas: Atlas, run: int, place: int, seconds: float) -> Client:
    writes = [atlas.points(run, POINTS) for _ in range(round(seconds / WRITE_SECONDS))]
    return Client(writes, every=WRITE_SECONDS, first=place * WRITE_SECONDS / STREAMS)


# -- a run that trains ------------------------------------------------------------------------------------------------


def _training_seconds(atlas: Atlas) -> list[float]:
    """What the runs of small studies trained for, on a worker with one slot; one a study, for several of one study
    would train together."""
    with _worker(atlas):
        return [_trained(atlas, _post(atlas, "/studies", _training_study())["id"]) for _ in range(TRAINED_RUNS)]


def _trained(atlas: Atlas, study: int) -> float:
    deadline = time.monotonic() + TRAINING_LIMIT_SECONDS
    while (counts := _get(atlas, f"/studies/{study}")["counts"])["queued"] + counts["running"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"Study {study} did not end: {counts}")
        time.sleep(2)
    (run,) = _get(atlas, f"/runs?study_id={study}&purpose=report&status=succeeded")["items"]
    seconds: float = _get(atlas, f"/runs/{run['id']}")["train_seconds"]
    return seconds


def _training_study() -> dict[str, Any]:
    return {
        "name": "Trains beside the viewers",
        "base_model": "minilm",
        "task": "tweets",
        "budget": {"steps": TRAINING_STEPS, "batch_size": 8, "max_length": 64},
        "seeds": 1,
        "methods": [{"method": "lora", "learning_rates": [3e-3]}],
        "references": [],
        "metrics": ["task_performance"],
    }


@contextmanager
def _worker(atlas: Atlas) -> Iterator[None]:
    variables = {
        "PEFT_ATLAS_HOME": str(atlas.settled.home),
        "PEFT_ATLAS_DATABASE_URL": atlas.settled.database,
        "PEFT_ATLAS_SLOTS": "1",
    }
    with (atlas.settled.home / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.worker"], env=os.environ | variables, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def _get(atlas: Atlas, path: str) -> dict[str, Any]:
    return _asked(atlas, Request("GET", f"{API}{path}"))


def _post(atlas: Atlas, path: str, document: dict[str, Any]) -> dict[str, Any]:
    return _asked(atlas, Request("POST", f"{API}{path}", json.dumps(document).encode()))


def _asked(atlas: Atlas, request: Request) -> dict[str, Any]:
    connection = connect(atlas.url)
    status, body = send(connection, atlas.headers, request)
    connection.close()
    if status >= 400:
        raise RuntimeError(f"{request.path}: {status} {body[:300]!r}")
    found: dict[str, Any] = json.loads(body)
    return found
