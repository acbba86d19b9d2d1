"""Splitting a dataset fairly: stratified, seeded, without duplicates across splits, and groups kept together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from peft_core.errors import InvalidDataset
from peft_core.spec import Splits

if TYPE_CHECKING:
    from peft_core.data import Row
    from peft_core.task import Task

SPLITS = ("test", "validation", "train")
"""In the order they are drawn."""


@dataclass(frozen=True)
class SplitRows:
    """The rows of each split, in a fixed order."""

    train: "list[Row]"
    validation: "list[Row]"
    test: "list[Row]"


def without_duplicates(rows: "Sequence[Row]") -> "list[Row]":
    """The first of every group of texts that differ only in case and white space.

    A text that stands in train and test would let a method that memorises look like one that generalises. Where the
    dataset brings its own splits, the copy in its test split stays, then the one in its validation split.
    """
    kept: dict[bytes, Row] = {}
    for row in sorted(rows, key=lambda row: SPLITS.index(row.split or "train")):
        kept.setdefault(_identity(row), row)
    return sorted(kept.values(), key=lambda row: row.index)


def _identity(row: "Row") -> bytes:
    """What makes two rows the same item: everything that is read, without case and white space, never the label.
    A hash of it, for all rows are compared at once."""
    parts = (row.text, row.pair, *row.choices, *row.words)
    read = "\0".join(" ".join(part.casefold().split()) for part in parts)
    return hashlib.sha256(read.encode()).digest()


def _drawn_from(rows: "Sequence[Row]") -> dict[str, str]:
    """Whose records each split is drawn from: the dataset's own split of that name, else its training records."""
    own = {row.split for row in rows}
    return {name: name if name in own else "train" for name in SPLITS}


def _by_source(rows: "Sequence[Row]") -> "dict[str, list[Row]]":
    sources: dict[str, list[Row]] = {name: [] for name in sorted(set(_drawn_from(rows).values()))}
    for row in rows:
        sources[row.split or "train"].append(row)
    return sources


def default_splits(rows: "Sequence[Row]") -> Splits:
    """The dataset's own splits whole; a fifth of the training records for each one it lacks. With groups: as much of
    that as whole groups fill, one group at least, and all others for training."""
    sources, drawn_from = _by_source(rows), _drawn_from(rows)
    training = len(sources["train"])
    lacking = [name for name in ("validation", "test") if drawn_from[name] == "train"]
    smallest = sorted(Counter(row.group for row in sources["train"] if row.group).values())[: len(lacking)]
    held_out = max(1, training // 5, *smallest)
    sizes = {name: held_out if name in lacking else len(sources[name]) for name in ("validation", "test")}
    sizes["train"] = max(1, training - held_out * len(lacking))
    if any(row.group for row in rows):
        filled = _fill_with_groups(rows, Splits(**(sizes | {"train": max(1, training)})))
        sizes = {name: max(1, len(members)) for name, members in filled.items()}
    return Splits(**sizes)


def split_rows(rows: "Sequence[Row]", splits: Splits, kind: "type[Task]") -> SplitRows:
    """Stratified splits: every class has its share of each split, drawn with `splits.seed`.

    A dataset's own splits are kept: test items come from its test records, and so on; a split that it lacks is drawn
    from its training records. Rows of one group stay together. Raises InvalidDataset where there are too few rows, a
    class is too small to be in every split, or whole groups cannot fill a split.
    """
    sources, drawn_from = _by_source(rows), _drawn_from(rows)
    if any(row.group for row in rows):
        return _split_groups(rows, splits)
    for source, members in sources.items():
        _refuse_too_few(members, source, splits, drawn_from)
    random = np.random.default_rng(splits.seed)
    pools = {}
    for source, members in sources.items():
        _refuse_tiny_classes(members, kind, sum(origin == source for origin in drawn_from.values()))
        pools[source] = _shuffled_strata(members, kind, random)
    taken = {name: _draw(pools[drawn_from[name]], getattr(splits, name), random) for name in SPLITS}
    return SplitRows(**taken)


def _refuse_too_few(members: "Sequence[Row]", source: str, splits: Splits, drawn_from: Mapping[str, str]) -> None:
    sizes = {name: getattr(splits, name) for name in reversed(SPLITS) if drawn_from[name] == source}
    wanted = sum(sizes.values())
    if len(members) >= wanted:
        return
    listed = ", ".join(f"{size} {name}" for name, size in sizes.items())
    whole = len(set(drawn_from.values())) == 1
    has = f"the dataset has {len(members)}" if whole else f"the dataset's own {source} split has {len(members)}"
    raise InvalidDataset(
        f"The splits need {wanted} items ({listed}) and {has} without duplicates. Ask for fewer or add data."
    )


def _refuse_tiny_classes(members: "Sequence[Row]", kind: "type[Task]", needed: int) -> None:
    counts: dict[str, int] = defaultdict(int)
    for row in members:
        counts[kind.stratum(row)] += 1
    rarest, size = min(counts.items(), key=lambda entry: (entry[1], entry[0]))
    if size < needed and len(counts) > 1:
        raise InvalidDataset(
            f"Class {rarest[:40]!r} has {size} item(s); every class needs {needed}, one for each split."
        )


def _shuffled_strata(
    members: "Sequence[Row]", kind: "type[Task]", random: np.random.Generator
) -> "dict[str, list[Row]]":
    strata: dict[str, list[Row]] = defaultdict(list)
    for stratum, row in zip(kind.strata(members), members, strict=True):
        strata[stratum].append(row)
    return {name: [found[i] for i in random.permutation(len(found))] for name, found in sorted(strata.items())}


def _split_groups(rows: "Sequence[Row]", splits: Splits) -> SplitRows:
    """Splits of whole groups, exact in their sizes; raises InvalidDataset with the sizes that whole groups fill."""
    _refuse_shared_groups(rows)
    _refuse_few_groups(rows)
    taken = _fill_with_groups(rows, splits)
    short = [name for name in SPLITS if len(taken[name]) < getattr(splits, name)]
    if short:
        filled = ", ".join(f"{len(taken[name])} {name}" for name in reversed(SPLITS))
        advice = f"Ask for what they fill ({filled})" if all(taken.values()) else "Ask for larger or smaller splits"
        raise InvalidDataset(
            f"Whole groups fill {len(taken[short[0]])} of the {getattr(splits, short[0])} {short[0]} items. {advice},"
            " or split without the group column."
        )
    random = np.random.default_rng(splits.seed)
    return SplitRows(**{name: [taken[name][i] for i in random.permutation(len(taken[name]))] for name in SPLITS})


def _refuse_shared_groups(rows: "Sequence[Row]") -> None:
    """A group in two of the dataset's own splits cannot stay together."""
    found: dict[str, str] = {}
    for row in rows:
        if found.setdefault(row.group, row.split) != row.split:
            raise InvalidDataset(
                f"Group {row.group[:40]!r} stands in the dataset's own {found[row.group]} and {row.split} splits."
                " Leave the group column out, or give all records in one file."
            )


def _refuse_few_groups(rows: "Sequence[Row]") -> None:
    sources = Counter(_drawn_from(rows).values())
    for source, needed in sources.items():
        groups = {row.group for row in rows if (row.split or "train") == source}
        if len(groups) < needed:
            raise InvalidDataset(
                f"The group column has {len(groups)} different value(s) to split and {needed} are needed, one for each"
                " split. Choose another column, or none."
            )


def _fill_with_groups(rows: "Sequence[Row]", splits: Splits) -> "dict[str, list[Row]]":
    """Whole groups go to test, then validation, then training, each until it is full; what is over is left out.

    Groups come in random order, and one that no longer fits a split is tried in the next. A split without any group
    comes first. Asking for the sizes that were filled fills them again with the same groups.
    """
    drawn_from = _drawn_from(rows)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    names = sorted(groups)
    taken: dict[str, list[Row]] = {name: [] for name in SPLITS}
    for place in np.random.default_rng(splits.seed).permutation(len(names)):
        members = groups[names[place]]
        source = members[0].split or "train"
        open_to = (name for name in SPLITS if drawn_from[name] == source)
        fits = [name for name in open_to if len(taken[name]) + len(members) <= getattr(splits, name)]
        if fits:
            taken[next((name for name in fits if not taken[name]), fits[0])] += members
    return taken


def _draw(pools: "dict[str, list[Row]]", size: int, random: np.random.Generator) -> "list[Row]":
    """Take `size` rows out of the pools in proportion to what each still holds (largest remainders first)."""
    remaining = sum(len(pool) for pool in pools.values())
    exact = {label: size * len(pool) / remaining for label, pool in pools.items()}
    share = {label: int(value) for label, value in exact.items()}
    by_remainder = sorted(pools, key=lambda label: (share[label] - exact[label], label))
    for label in by_remainder[: size - sum(share.values())]:
        share[label] += 1
    drawn = [pools[label].pop() for label in sorted(pools) for _ in range(share[label])]
    return [drawn[i] for i in random.permutation(len(drawn))]
