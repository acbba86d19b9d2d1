"""The files of pages: compressed once, kept by browsers, and never another file than was asked for."""

from pathlib import Path

import httpx
import plotly
import pytest
from dash.fingerprint import build_fingerprint

from app.api.compressed import FOREVER

pytestmark = pytest.mark.anyio

PLOTLY = "package_data/plotly.min.js"
SUITES = "/_dash-component-suites/plotly"
ON_DISK = (Path(plotly.__file__).parent / PLOTLY).read_bytes()


@pytest.fixture
def fingerprinted() -> str:
    return f"{SUITES}/{build_fingerprint(PLOTLY, plotly.__version__, 1)}"


async def test_a_library_is_sent_small_and_whole(api: httpx.AsyncClient, fingerprinted: str) -> None:
    for _ in range(2):
        answer = await api.get(fingerprinted)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == FOREVER
        assert int(answer.headers["content-length"]) < len(ON_DISK) / 3
        assert answer.content == ON_DISK
        assert "content-security-policy" in answer.headers


async def test_who_takes_nothing_compressed_gets_it_as_it_is(api: httpx.AsyncClient, fingerprinted: str) -> None:
    answer = await api.get(fingerprinted, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content == ON_DISK


async def test_what_has_no_fingerprint_is_asked_for_again_and_not_sent_again(api: httpx.AsyncClient) -> None:
    first = await api.get(f"{SUITES}/{PLOTLY}")
    assert "immutable" not in first.headers.get("cache-control", "")
    again = await api.get(f"{SUITES}/{PLOTLY}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_file_that_is_not_there_is_not_kept(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await api.get(f"{SUITES}/package_data/other.js")).status_code == 404


async def test_our_own_files_are_kept_by_the_time_of_their_last_change(api: httpx.AsyncClient) -> None:
    dated, bare = await api.get("/assets/atlas.css?m=1.5"), await api.get("/assets/atlas.css")
    assert dated.headers["cache-control"] == FOREVER
    assert "cache-control" not in bare.headers
    assert dated.headers["content-encoding"] == "gzip"
    assert dated.content == bare.content == Path("static/atlas.css").read_bytes()


async def test_answers_of_the_api_and_pages_are_not_compressed(api: httpx.AsyncClient) -> None:
    """What they say may be guessed from its size where somebody else's words are in it."""
    for path in ("/api/v1/metrics", "/", "/_dash-layout"):
        assert "content-encoding" not in (await api.get(path)).headers
