"""S5: zip, gzip and Parquet bombs as datasets, results and studies: refused within two seconds, little is written."""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.security.bombs import PARQUET_BOMBS, gzip_bomb, parquet_bomb, zip_bomb
from tests.security.installation import MEGABYTE, Installation
from tests.security.watch import watching

MOST_SECONDS = 2.0
MOST_WRITTEN_BYTES = 100 * MEGABYTE
MOST_GROWTH_BYTES = 600 * MEGABYTE
"""Of the web process and the process that reads the file."""

DATASETS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip named CSV": ("bomb.csv", gzip_bomb),
    "gzip named TSV": ("bomb.tsv", gzip_bomb),
    "gzip named JSON": ("bomb.jsonl", gzip_bomb),
    "gzip named Parquet": ("bomb.parquet", gzip_bomb),
    "gzip": ("bomb.csv.gz", gzip_bomb),
    "zip": ("bomb.zip", zip_bomb),
    "zip named CSV": ("bomb.csv", zip_bomb),
    **{f"Parquet: {name}": ("bomb.parquet", partial(parquet_bomb, name)) for name in PARQUET_BOMBS},
}


@pytest.fixture(scope="module")
def member(installed: Installation) -> Iterator[httpx.Client]:
    with installed.client("member") as client:
        yield client


def folders(installed: Installation) -> tuple[Path, ...]:
    """Where the server writes: its home, and what arrives."""
    return (installed.settings.home_folder, Path(tempfile.gettempdir()) / "none")


@pytest.mark.parametrize("case", DATASETS)
def test_a_dataset_that_is_a_bomb(installed: Installation, member: httpx.Client, case: str) -> None:
    name, make = DATASETS[case]
    content = make()
    began = time.monotonic()
    with watching(installed, *folders(installed)) as cost:
        answer = member.post("/api/v1/datasets", files={"file": (name, content)})
    seconds = time.monotonic() - began
    print(f"{case}: {len(content) / MEGABYTE:.2f} MB, {seconds:.2f} s, {cost.told()}: {answer.json()['detail'][:90]}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert seconds <= MOST_SECONDS
    assert cost.file_bytes <= MOST_WRITTEN_BYTES
    assert cost.memory_bytes <= MOST_GROWTH_BYTES


@pytest.mark.parametrize("name", ["MetaMathQA/results/bomb.json", "bomb.json.gz", "results/bomb.zip"])
def test_results_that_are_a_bomb(installed: Installation, member: httpx.Client, name: str) -> None:
    for content in (gzip_bomb(), zip_bomb()):
        began = time.monotonic()
        with watching(installed, *folders(installed)) as cost:
            answer = member.post("/api/v1/imports/hf-peft", files={"files": (name, content)})
        seconds = time.monotonic() - began
        print(f"{name}: {seconds:.2f} s, {cost.told()}: {answer.status_code} {answer.text[:90]}")
        assert answer.status_code in (200, 422)
        assert answer.status_code == 422 or answer.json()["refused"]
        assert seconds <= MOST_SECONDS
        assert cost.file_bytes <= MOST_WRITTEN_BYTES


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
@pytest.mark.parametrize("path", ["/api/v1/imports/study", "/api/v1/studies"])
def test_a_body_is_never_unpacked(installed: Installation, member: httpx.Client, path: str, encoding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    began = time.monotonic()
    with watching(installed, *folders(installed)) as cost:
        answer = member.post(path, content=gzip_bomb(b'{"name":"'), headers=headers)
    assert answer.status_code in (415, 422)
    assert time.monotonic() - began <= MOST_SECONDS
    assert cost.file_bytes <= MOST_WRITTEN_BYTES
    assert cost.memory_bytes <= 200 * MEGABYTE
