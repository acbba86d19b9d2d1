"""Datasets in columns: Parquet, and the Arrow files that the datasets library saves."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.dataset_records import MAX_ROWS, Cell, Record, refuse_missing
from peft_core.errors import InvalidDataset

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet

ROWS_PER_BATCH = 256
MAX_CHUNK_BYTES = 512 * 2**20
"""Of one column of one row group, unfolded."""
MAX_BATCH_BYTES = 64 * 2**20
"""Of the rows that are unfolded together: every one of them may be the largest text of its row group."""


def read_parquet(file: Path, name: str, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of a Parquet file; raises InvalidDataset as `read_records` does."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            if opened.metadata.num_rows > MAX_ROWS:
                raise InvalidDataset(f"{name!r} has more than {MAX_ROWS:,} rows. Give a smaller file.")
            classes = _read_schema(opened.schema_arrow, columns, name)
            largest = _largest_chunk(opened.metadata, columns)
            if largest > MAX_CHUNK_BYTES:
                raise InvalidDataset(
                    f"{name!r} unfolds to more than {MAX_CHUNK_BYTES // 2**20} MiB in one piece. Write it with smaller"
                    " row groups."
                )
            rows = min(ROWS_PER_BATCH, max(1, MAX_BATCH_BYTES // max(1, largest)))
            batches = opened.iter_batches(batch_size=rows, columns=list(columns))
            yield from _read_batches(batches, classes, columns)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(name, "Parquet", error) from None


def parquet_columns(file: Path, name: str) -> list[str]:
    """The columns of a Parquet file that a task can read; raises InvalidDataset where there is none."""
    import pyarrow
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(file)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(name, "Parquet", error) from None
    columns = [field.name for field in schema if _is_readable(field.type)]
    if not columns:
        raise InvalidDataset(f"{name!r} has no column of text, numbers, or lists of them.")
    refuse_missing(columns, schema.names, repr(name))
    return columns


def read_arrow(file: Path, name: str, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of an Arrow stream; raises InvalidDataset as `read_records` does."""
    import pyarrow

    try:
        with pyarrow.memory_map(str(file)) as opened, pyarrow.ipc.open_stream(opened) as stream:
            classes = _read_schema(stream.schema, columns, name)
            places = [stream.schema.get_field_index(column) for column in columns]
            slices = (
                batch.select(places).slice(start, ROWS_PER_BATCH)
                for batch in stream
                for start in range(0, batch.num_rows, ROWS_PER_BATCH)
            )
            yield from _read_batches(slices, classes, columns)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(name, "Arrow", error) from None


def _largest_chunk(metadata: "parquet.FileMetaData", columns: Sequence[str]) -> int:
    """Bytes of the largest column of a row group as the file declares them: of its pages, or of numbers they repeat."""
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    read = tuple(f"{column}." for column in columns)
    return max(
        (
            max(chunk.total_uncompressed_size, 8 * chunk.num_values)
            for chunk in chunks
            if f"{chunk.path_in_schema}.".startswith(read)
        ),
        default=0,
    )


def _unreadable(name: str, form: str, error: Exception) -> InvalidDataset:
    reason = " ".join(str(error).split())[:120]
    return InvalidDataset(f"{name!r} cannot be read as {form} ({reason}). Write the file again.")


def _read_batches(
    batches: "Iterable[pyarrow.RecordBatch]", classes: dict[str, list[str]], columns: Sequence[str]
) -> Iterator[Record]:
    row = 0
    for batch in batches:
        for cells in batch.to_pylist():
            row += 1
            yield f"row {row}", {column: _named(cells[column], classes.get(column)) for column in columns}


def _named(value: Any, classes: list[str] | None) -> Cell:
    """A cell with its class's name for its number; not-a-number, as tables write what is missing, is nothing."""
    if isinstance(value, list):
        return [_named(entry, classes) for entry in value]
    if classes is not None and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None
    if isinstance(value, float) and math.isnan(value):
        return None
    plain: Cell = value
    return plain


def _read_schema(schema: "pyarrow.Schema", columns: Sequence[str], name: str) -> dict[str, list[str]]:
    """The class names of the columns that hold class numbers. Raises InvalidDataset for a column of another type than
    text, numbers and lists of them."""
    refuse_missing(columns, schema.names, repr(name))
    for column in columns:
        kind = schema.field(column).type
        if not _is_readable(kind):
            raise InvalidDataset(
                f"{name!r}: column {column!r} holds {str(kind)[:60]}. Give text, numbers, or lists of them."
            )
    return {column: found for column in columns if (found := _class_names(_features(schema).get(column)))}


def _is_readable(kind: "pyarrow.DataType") -> bool:
    return _is_plain(kind) or (_is_list(kind) and _is_plain(kind.value_type))


def _is_plain(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_boolean, types.is_null)
    return types.is_integer(kind) or types.is_floating(kind) or any(test(kind) for test in tests)


def _is_list(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return any(test(kind) for test in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def _features(schema: "pyarrow.Schema") -> dict[str, Any]:
    """What the datasets library says about the columns, in the file's own metadata; nothing where it wrote nothing."""
    try:
        written = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = written["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel column, or of a list of ClassLabels."""
    if not isinstance(feature, dict):
        return None
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list) and all(isinstance(one, str) for one in names):
        return names
    return _class_names(feature.get("feature")) if feature.get("_type") in ("Sequence", "List", "LargeList") else None
