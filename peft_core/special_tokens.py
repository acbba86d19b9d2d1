"""Which tokens frame the texts that a base model reads: they begin one, end one, or stand between two."""

import json
from pathlib import Path
from typing import Any

ROLES = ("bos", "cls", "sep", "eos")


def read_special_tokens(folder: Path) -> tuple[int, ...]:
    """Their ids, ascending: as config.json numbers them, or else as the tokenizer's files do; () where none does."""
    config = _read(folder / "config.json")
    numbered = [config.get(f"{role}_token_id") for role in ROLES]
    # A base with several end tokens lists them.
    found = [token for entry in numbered for token in (entry if isinstance(entry, list) else [entry])]
    return tuple(sorted({token for token in found if isinstance(token, int)})) or _by_the_tokenizer(folder)


def _by_the_tokenizer(folder: Path) -> tuple[int, ...]:
    named = _read(folder / "tokenizer_config.json")
    entries = [named.get(f"{role}_token") for role in ROLES]
    texts = {entry.get("content") if isinstance(entry, dict) else entry for entry in entries}
    added = _read(folder / "tokenizer.json").get("added_tokens", [])
    return tuple(sorted({int(token["id"]) for token in added if token["content"] in texts}))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
