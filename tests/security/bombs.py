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


@cache
def parquet_bombs() -> dict[str, bytes]:
    """By what is large in them: one text repeated in each row, rows without number, a page that lies about its size."""
    text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 190_000, pyarrow.int32()), ["x" * 120_000])
    long_text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 1_000, pyarrow.int32()), ["x" * 2**26])
    zeros = pyarrow.array([0] * 2**24, pyarrow.int8())
    wide = pyarrow.table({f"c{place}": pyarrow.array(["x"] * 3) for place in range(20_000)})
    nested = pyarrow.array([[[["x"] * 1_000] * 1_000]] * 3)
    return {
        "a text in each row": _parquet(pyarrow.table({"text": text})),
        "a huge text in each row": _parquet(pyarrow.table({"text": long_text})),
        "millions of rows": _parquet(pyarrow.table({"text": zeros})),
        "thousands of columns": _parquet(wide),
        "lists of lists": _parquet(pyarrow.table({"text": nested})),
        "cut off": _parquet(pyarrow.table({"text": text}))[:-4_000] + b"PAR1",
    }


def _parquet(table: pyarrow.Table) -> bytes:
    written = io.BytesIO()
    parquet.write_table(table, written, compression="zstd")
    return written.getvalue()
