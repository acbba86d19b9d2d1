"""S4: files that no comparison can be made of: refused with the line and the column, in little memory, and nobody else
waits."""

import gzip
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pyarrow
import pytest
from pyarrow import parquet

from tests.security.installation import MEGABYTE, Installation
from tests.security.raw import PIECE, chunks, exchange, head
from tests.security.watch import watching

MOST_GROWTH_BYTES = 200 * MEGABYTE
MOST_SECONDS = 10.0
MOST_OTHERS_P95 = 0.5
FEWEST_OTHERS = 5
"""Requests of somebody else, without which nothing is said of them."""
ROWS = "".join(f"sentence {place},{'ab'[place % 2]}\n" for place in range(40))


def in_parquet(table: pyarrow.Table) -> bytes:
    written = io.BytesIO()
    parquet.write_table(table, written, compression="zstd")
    return written.getvalue()


def wide(columns: int) -> bytes:
    names = ",".join(f"c{place}" for place in range(columns))
    return f"{names}\n{names}\n{names}\n{names}\n".encode()


BAD: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty": ("a.csv", b"", ("is empty",)),
    "spaces": ("a.csv", b" \n \n", ("0 rows", "1 row", "no name")),
    "one row": ("a.csv", b"text,label\nhello,a\n", ("1 row",)),
    "binary named CSV": ("a.csv", bytes(range(256)) * 1_000, ("NUL", "not UTF-8 text (line")),
    "a program named CSV": ("a.csv", b"\x7fELF\x02\x01\x01" + bytes(2_000), ("NUL",)),
    "NUL in a cell": ("a.csv", b"text,label\na,b\nc\0d,e\nf,g\n", ("line 3: column 'text' holds a NUL",)),
    "NUL in JSON": ("a.jsonl", b'{"t": "a"}\n{"t": "b\\u0000"}\n{"t": "c"}\n', ("line 2: column 't' holds a NUL",)),
    "UTF-16": ("a.csv", f"text,label\n{ROWS}".encode("utf-16"), ("not UTF-8 text (line 1, byte 1)",)),
    "UTF-16 without a mark": ("a.csv", f"text,label\n{ROWS}".encode("utf-16-le"), ("NUL",)),
    "UTF-32": ("a.csv", f"text,label\n{ROWS}".encode("utf-32"), ("not UTF-8", "NUL")),
    "Latin-1": ("a.csv", f"text,label\n{ROWS}caf\u00e9,a\n".encode("latin-1"), ("line 42, byte 4",)),
    "a surrogate in JSON": ("a.jsonl", b'{"t": "a"}\n{"t": "\\ud800"}\n{"t": "c"}\n', ("line 2",)),
    "a hundred thousand columns": ("a.csv", wide(100_000), ("100000 columns",)),
    "a hundred thousand keys": (
        "a.jsonl",
        json.dumps(dict.fromkeys(map(str, range(100_000)), "x")).encode(),
        ("100000",),
    ),
    "a cell of 48 MB": ("a.csv", b"text,label\na,b\n" + b"x" * 48_000_000 + b",a\n", ("line 3: longer than 24 MiB",)),
    "a quoted cell of 48 MB": ("a.csv", b'text,label\na,b\n"' + b"x\n" * 24_000_000 + b'",a\n', ("a field larger",)),
    "a quote that never closes": ("a.csv", b'text,label\na,b\n"' + b"x,y\n" * 12_000_000, ("never closed",)),
    "a cell of 48 MB in JSON": ("a.jsonl", b'{"text": "' + b"x" * 48_000_000 + b'"}\n', ("line 1",)),
    "a line of commas": ("a.csv", b"text,label\na,b\n" + b"," * 24_000_000, ("line 3: more than 500,000 fields",)),
    "lines of nothing": ("a.csv", b"text,label\n" + b"\n" * 49_000_000, ("5,000,000 lines",)),
    "deep JSON": ("a.jsonl", b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000, ("line 1: nested too deeply",)),
    "deep lists": ("a.jsonl", b'{"a": ' + b"[" * 11_000_000 + b"]" * 11_000_000 + b"}", ("line 1",)),
    "many keys in one object": ("a.jsonl", b'{"t":"a"' + b',"t":"a"' * 3_000_000 + b"}", ("line 1: more than",)),
    "a number of a million digits": ("a.jsonl", b'{"n": ' + b"9" * 1_000_000 + b"}\n", ("line 1", "digits")),
    "numbers that are none": ("a.jsonl", b'{"n": 1}\n{"n": NaN}\n{"n": 2}\n', ("line 2", "NaN")),
    "a number beyond floats": ("a.jsonl", b'{"n": 1.0}\n{"n": 1e999}\n{"n": 2.0}\n', ("line 2",)),
    "ragged": ("a.csv", b"text,label\na,b\nc\nd,e\n", ("line 3: 1 field where the header has 2",)),
    "ragged the other way": ("a.csv", b"text,label\na,b\nc,d,e\nf,g\n", ("line 3: 3 fields",)),
    "a column twice": ("a.csv", b"id,id\n1,2\n3,4\n5,6\n", ("2 columns named 'id'",)),
    "mixed types": ("a.jsonl", b'{"n": 1}\n{"n": "x"}\n{"n": 2}\n', ("line 2: column 'n'",)),
    "an object in a cell": ("a.jsonl", b'{"n": {"a": 1}}\n' * 3, ("line 1: column 'n'",)),
    "an array": ("a.jsonl", b"[1]\n[2]\n[3]\n", ("line 1",)),
    "HTML": ("a.csv", b"<html><body>" + b"<p>,</p>" * 100 + b"\n", ("column", "rows")),
    "gzip": ("a.csv", gzip.compress(ROWS.encode()), ("is a gzip file",)),
    "bare returns": ("a.csv", b"text,label\ra,b\rc,d\re,f\r", ("line",)),
    "Parquet of times": (
        "a.parquet",
        in_parquet(pyarrow.table({"t": pyarrow.array([1, 2, 3], "date32")})),
        ("no column",),
    ),
    "half of a Parquet": ("a.parquet", in_parquet(pyarrow.table({"t": ["x"] * 1_000}))[:100], ("cannot be read",)),
}


@pytest.fixture(scope="module")
def member(installed: Installation) -> Iterator[httpx.Client]:
    with installed.client("member") as client:
        yield client


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_where_it_is_wrong(installed: Installation, member: httpx.Client, case: str) -> None:
    name, content, said = BAD[case]
    began = time.monotonic()
    with watching(installed, others=len(content) > MEGABYTE) as cost:
        answer = member.post("/api/v1/datasets", files={"file": (name, content)})
    seconds = time.monotonic() - began
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text[:300]
    detail = answer.json()["detail"]
    print(f"{case}: {seconds:.2f} s, {cost.told()}: {detail[:110]}")
    assert any(words in detail for words in said), detail
    assert len(detail) < 1_000
    assert seconds < MOST_SECONDS
    assert cost.memory_bytes <= MOST_GROWTH_BYTES
    assert len(cost.others_seconds) < FEWEST_OTHERS or cost.others_p95 <= MOST_OTHERS_P95
    assert [path for path in (installed.settings.home_folder / "datasets").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_two_gigabytes_are_refused_early(installed: Installation, chunked: bool) -> None:
    size = 2_000 * MEGABYTE
    own = [("host", installed.address), ("authorization", f"Bearer {installed.tokens['member']}")]
    length = ("transfer-encoding", "chunked") if chunked else ("content-length", str(size))
    kind = ("content-type", "multipart/form-data; boundary=b")
    start = head("POST", "/api/v1/datasets", [*own, kind, length])
    first = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\ntext,label\n'
    pieces = (first if place == 0 else PIECE for place in range(size // len(PIECE)))
    with watching(installed, installed.settings.home_folder) as cost:
        answer = exchange(installed.address, start, chunks(pieces) if chunked else pieces)
    print(f"after {answer.sent_bytes / MEGABYTE:.0f} MB, {answer.seconds:.2f} s, {cost.told()}")
    assert answer.status == 413
    assert answer.sent_bytes < (60 if chunked else 5) * MEGABYTE
    assert cost.memory_bytes <= MOST_GROWTH_BYTES


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_good_file_is_taken(installed: Installation, member: httpx.Client, mark: bytes) -> None:
    answer = member.post("/api/v1/datasets", files={"file": ("good.csv", mark + f"text,label\n{ROWS}".encode())})
    assert answer.status_code == 201
    assert answer.json()["columns"] == ["text", "label"]
    (installed.settings.home_folder / "datasets" / answer.json()["dataset"]).unlink()


@pytest.mark.slow
def test_forty_bad_files_at_once_leave_the_others_alone(installed: Installation) -> None:
    """Uploads that are slow to read; the web process serves everybody else meanwhile."""
    content = b'text,label\na,b\n"' + b"x\n" * 24_000_000 + b'",a\n'

    def upload(_place: int) -> int:
        with installed.client("member") as client:
            return client.post("/api/v1/datasets", files={"file": ("a.csv", content)}).status_code

    with watching(installed, others=True) as cost, ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(upload, range(40)))
    print(sorted(statuses), cost.told())
    assert set(statuses) <= {422, 503}
    assert cost.others_p95 <= 2.0
