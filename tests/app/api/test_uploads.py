"""Datasets sent by a browser: what is kept, what is seen of it, and every bad file refused where it is wrong."""

import gzip
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow
import pytest
from pyarrow import parquet

from app.schemas import LARGEST_DATASET_BYTES, MOST_DATASET_ROWS

pytestmark = pytest.mark.anyio

ROWS = [{"text": f"sentence {place}", "label": "ab"[place % 2], "stars": place / 2} for place in range(40)]


def csv(separator: str = ",") -> bytes:
    lines = [list(ROWS[0]), *([str(value) for value in row.values()] for row in ROWS)]
    return "\n".join(separator.join(line) for line in lines).encode()


def in_parquet(table: pyarrow.Table, **options: Any) -> bytes:
    written = io.BytesIO()
    parquet.write_table(table, written, **options)
    return written.getvalue()


FORMS = {
    "reviews.csv": csv(),
    "reviews.tsv": csv("\t"),
    "reviews.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "reviews.parquet": in_parquet(pyarrow.Table.from_pylist(ROWS)),
}


async def upload(api: httpx.AsyncClient, name: str, content: bytes) -> httpx.Response:
    return await api.post("/api/v1/datasets", files={"file": (name, content)})


def kept(home: Path) -> list[str]:
    """What lies in the team's folder, and what should not lie beside it."""
    datasets, uploads = home / "datasets", home / "datasets" / "teams" / "1"
    found = (file for file in datasets.rglob("*") if file not in (uploads.parent, uploads))
    return sorted(file.relative_to(datasets).as_posix() for file in found)


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
async def test_an_upload_is_previewed_mapped_and_launched(api: httpx.AsyncClient, home: Path, name: str) -> None:
    answer = await upload(api, name, FORMS[name])
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["name"], told["rows"], told["columns"]) == (name, 40, ["text", "label", "stars"])
    assert kept(home) == [told["dataset"]]
    assert (home / "datasets" / told["dataset"]).read_bytes() == FORMS[name]

    asked = {"kind": "classification", "text": "text", "label": "label"}
    preview = (await api.get(answer.headers["location"], params=asked)).json()
    assert preview["dataset"] == told
    assert [row["text"] for row in preview["head"]] == [row["text"] for row in ROWS[:8]]
    columns = {column["name"]: column for column in preview["columns"]}
    assert (columns["text"]["shortest"], columns["text"]["median"], columns["text"]["longest"]) == (10, 11, 11)
    assert columns["label"]["counts"] == {"a": 20, "b": 20}
    mapping = preview["mapping"]
    assert (mapping["items"], mapping["labels"], mapping["problems"]) == (40, {"a": 20, "b": 20}, [])
    assert mapping["splits"] == {"train": 24, "validation": 8, "test": 8, "seed": 0}

    task = {"dataset": told["dataset"], "kind": "classification", "text": "text", "label": "label"}
    study = {"name": "Mine", "task": task, "methods": [{"method": "lora"}], "seeds": 1, "grid_points": 1}
    assert (await api.post("/api/v1/studies", json=study)).status_code == 201


async def test_the_same_file_again_is_the_dataset_that_is_there(api: httpx.AsyncClient, home: Path) -> None:
    first, again = await upload(api, "a.csv", csv()), await upload(api, "a.csv", csv())
    other = await upload(api, "a.csv", csv() + b"\nmore,a,1")
    assert first.json() == again.json()
    assert first.json()["dataset"] != other.json()["dataset"]
    listed = (await api.get("/api/v1/datasets")).json()["items"]
    assert [one["id"] for one in listed] == [other.json()["id"], first.json()["id"]]
    assert len(kept(home)) == 2


async def test_a_byte_order_mark_is_no_part_of_the_first_column(api: httpx.AsyncClient) -> None:
    told = (await upload(api, "bom.csv", b"\xef\xbb\xbf" + csv())).json()
    assert told["columns"][0] == "text"


async def test_duplicates_are_counted_not_refused(api: httpx.AsyncClient) -> None:
    twice = csv() + b"\n" + b"\n".join(csv().splitlines()[1:])
    place = (await upload(api, "twice.csv", twice)).headers["location"]
    mapping = (await api.get(place, params={"kind": "classification", "text": "text", "label": "label"})).json()
    assert (mapping["mapping"]["items"], mapping["mapping"]["duplicates_removed"]) == (40, 40)


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"kind": "sorting", "text": "text"}, "task.kind", "no kind of task named"),
        ({"kind": "classification", "text": "text"}, "task.label", "needs a label column"),
        ({"kind": "classification", "text": "text", "label": "text"}, "task", "named for two things"),
        ({"kind": "classification", "text": "body", "label": "label"}, "task.text", "has no column 'body'"),
        ({"kind": "regression", "text": "text", "label": "label"}, "task.label", "line 2"),
        ({"kind": "causal_lm", "text": "text", "label": "label"}, "task.label", "reads no label column"),
    ],
)
async def test_a_wrong_mapping_is_told_at_its_column(
    api: httpx.AsyncClient, asked: dict[str, str], field: str, said: str
) -> None:
    place = (await upload(api, "a.csv", csv())).headers["location"]
    answer = await api.get(place, params=asked)
    assert answer.status_code == 200
    mapping = answer.json()["mapping"]
    assert [problem["field"] for problem in mapping["problems"]] == [field]
    assert said in mapping["problems"][0]["message"]
    assert mapping["items"] is None


# -- what is refused ---------------------------------------------------------------------------------------------------


def zipped() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 10_000_000)
    return written.getvalue()


BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "'a.csv' is empty"),
    "empty JSON": ("a.jsonl", b"\n\n", "'a.jsonl' is empty"),
    "header alone": ("a.csv", b"text,label\n", "has 0 rows of data"),
    "one row": ("a.csv", b"text,label\nhello,a\n", "has 1 row of data"),
    "binary": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "'a.csv' is not UTF-8 text (line 1, byte 1)"),
    "NUL in the header": ("a.csv", b"te\0xt,label\nx,a\n", "first line holds a NUL"),
    "NUL in a cell": ("a.csv", b"text,label\nx,a\nb\0c,b\nd,a\n", "line 3: column 'text' holds a NUL"),
    "UTF-16": ("a.csv", "text,label\nhello,a\n".encode("utf-16"), "not UTF-8 text (line 1, byte 1)"),
    "too many columns": ("a.csv", ",".join(f"c{place}" for place in range(100_000)).encode(), "100000 columns"),
    "a column without a name": ("a.csv", b"text,,label\nx,y,a\n", "line 1: column 2 has no name"),
    "a column twice": ("a.csv", b"text,text\nx,a\ny,b\nz,c\n", "2 columns named 'text'"),
    "a huge cell": ("a.csv", b"text,label\n" + b"x" * 20_000_000 + b",a\n", "a field larger than 131072 characters"),
    "a huge cell in JSON": ("a.jsonl", b'{"text": "' + b"x" * 20_000_000 + b'"}\n', "line 1: column 'text' holds a f"),
    "ragged": ("a.csv", b"text,label\nx,a\ny\nz,b\n", "line 3: 1 field where the header has 2"),
    "deep JSON": ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line 1: nested too deeply"),
    "a key twice": ("a.jsonl", b'{"text": "a", "text": "b"}\n', "line 1: the key 'text' is there twice"),
    "a missing key": ("a.jsonl", b'{"text": "a"}\n{"txt": "b"}\n', "line 2, has no column 'text'"),
    "no JSON": ("a.jsonl", b'{"text": "a"}\nhello\n', "line 2: not JSON"),
    "mixed kinds": ("a.jsonl", b'{"y": 1}\n{"y": "1"}\n{"y": 2}\n', "line 2: column 'y' holds text here and a number"),
    "zip": ("a.csv", zipped(), "is a zip archive. Unpack it"),
    "gzip": ("a.csv", gzip.compress(b"0" * 50_000_000), "is a gzip file. Unpack it"),
    "no Parquet": ("a.parquet", b"PAR1 and nothing more", "cannot be read as Parquet"),
    "nothing readable": (
        "a.parquet",
        in_parquet(pyarrow.table({"when": pyarrow.array([1, 2, 3], pyarrow.timestamp("s"))})),
        "no column of text, numbers",
    ),
    "too many rows": ("a.csv", b"text\n" + b"x\n" * (MOST_DATASET_ROWS + 1), "more than 200,000 rows"),
}


async def test_a_bad_file_is_refused_where_it_is_wrong(api: httpx.AsyncClient, home: Path) -> None:
    for case, (name, content, said) in BAD.items():
        started = time.perf_counter()
        answer = await upload(api, name, content)
        seconds = time.perf_counter() - started
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), case
        problem = answer.json()
        assert said in problem["detail"], case
        assert problem["errors"] == [{"field": "file", "message": problem["detail"]}]
        assert len(problem["detail"]) < 2_000, case
        assert seconds < 10, f"{case}: refused after {seconds:.1f} s"
    assert kept(home) == []
    assert (await api.get("/api/v1/datasets")).json()["items"] == []


async def test_a_file_that_unfolds_to_gigabytes_is_stopped_outside_the_web_process(
    api: httpx.AsyncClient, home: Path
) -> None:
    """A Parquet file of some kilobytes: one text of 120,000 characters, repeated in every row."""
    text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 150_000, pyarrow.int32()), ["x" * 120_000])
    bomb = in_parquet(pyarrow.table({"text": text}), compression="zstd")
    assert len(bomb) < 100_000
    before = psutil.Process().memory_info().rss
    answer = await upload(api, "bomb.parquet", bomb)
    assert answer.status_code == 422
    assert psutil.Process().memory_info().rss - before < 200 * 2**20
    assert kept(home) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../outside.csv",
        "..%2f..%2foutside.csv/x.csv",
        "..\\outside.csv",
        "/etc/outside.csv",
        "x" * 300 + ".csv",
        "model.pkl",
        "script.py",
        "reviews",
        "",
    ],
)
async def test_a_name_that_is_no_plain_file_name_is_refused(api: httpx.AsyncClient, home: Path, name: str) -> None:
    answer = await upload(api, name, csv())
    assert 400 <= answer.status_code < 500
    assert kept(home) == []
    assert list(home.parent.rglob("outside*")) == []


@pytest.mark.parametrize("name", ["..csv", ".hidden.csv", "评论 (final).csv", "%2e%2e%2f.csv", "a\nb.csv"])
async def test_an_odd_name_is_kept_under_a_safe_one(api: httpx.AsyncClient, home: Path, name: str) -> None:
    answer = await upload(api, name, csv())
    if answer.status_code == 422:
        assert kept(home) == []
        return
    assert answer.status_code == 201, answer.json()
    [file] = kept(home)
    assert file == answer.json()["dataset"]
    assert file.removeprefix("teams/1/").removesuffix(".csv").replace("-", "").replace("_", "").isalnum()
    assert file.isascii()


async def test_a_body_that_is_too_large_is_not_read(api: httpx.AsyncClient, home: Path) -> None:
    answer = await upload(api, "a.csv", b"x" * (LARGEST_DATASET_BYTES + 20_000))
    assert answer.status_code == 413
    assert kept(home) == []


@pytest.mark.parametrize("kind", ["application/json", "text/csv", ""])
async def test_only_a_form_is_read(api: httpx.AsyncClient, kind: str) -> None:
    answer = await api.post("/api/v1/datasets", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415


async def test_a_form_without_a_file_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/datasets", files={"other": ("a.csv", csv())})
    assert answer.status_code == 422


async def test_a_dataset_that_is_not_there_has_no_preview(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/datasets/7/preview")).status_code == 404
    assert (await api.get("/api/v1/datasets/x/preview")).status_code == 422


def test_what_reads_a_file_has_no_torch() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import app.services.dataset_reading as r, sys; r._map; import peft_core.data,"
         " peft_core.dataset_look; from peft_core.task import tasks; tasks(); print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "False"
