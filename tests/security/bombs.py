"""Small files that are large once they are unpacked."""

import gzip
import io
import zipfile
from functools import cache

import pyarrow
from pyarrow import parquet

UNPACKED_BYTES = 10 * 2**30
PART = 64 * 2**20


@cache
def gzip_bomb(start: bytes = b"") -> bytes:
    """Ten gigabytes of zeros in ten megabytes, after `start`."""
    return gzip.compress(start) + gzip.compress(bytes(PART), 9) * (UNPACKED_BYTES // PART)


@cache
def zip_bomb() -> bytes:
    """Ten gigabytes in ten megabytes: many names of files of zeros."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for place in range(8):
            archive.writestr(f"{place}.csv", bytes(PART))
    return written.getvalue()


PARQUET_BOMBS = (
    *("a text in each row", "a huge text in each row", "millions of rows", "thousands of columns"),
    *("lists of lists", "cut off"),
)
"""By what is large in them."""


def parquet_bomb(name: str) -> bytes:
    """One of PARQUET_BOMBS."""
    match name:
        case "a text in each row":
            return _parquet(_repeated(120_000, 190_000))
        case "a huge text in each row":
            return _parquet(_repeated(2**26, 1_000))
        case "millions of rows":
            return _parquet(pyarrow.table({"text": pyarrow.array([0] * 2**24, pyarrow.int8())}))
        case "thousands of columns":
            return _parquet(pyarrow.table({f"c{place}": pyarrow.array(["x"] * 3) for place in range(20_000)}))
        case "lists of lists":
            return _parquet(pyarrow.table({"text": pyarrow.array([[[["x"] * 1_000] * 1_000]] * 3)}))
        case _:
            return _parquet(_repeated(120_000, 190_000))[:-4_000] + b"PAR1"


def _repeated(characters: int, rows: int) -> pyarrow.Table:
    """One text of so many characters, in each row."""
    places = pyarrow.array([0] * rows, pyarrow.int32())
    return pyarrow.table({"text": pyarrow.DictionaryArray.from_arrays(places, ["x" * characters])})


def _parquet(table: pyarrow.Table) -> bytes:
    written = io.BytesIO()
    parquet.write_table(table, written, compression="zstd")
    return written.getvalue()
