"""What mkdocs calls while it builds: the pages that are made from the code join those that are written."""

import logging
from collections.abc import Callable
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.reference import api, configuration, limits, methods, metrics, scenarios, tasks

MADE = (api, configuration, limits, methods, metrics, scenarios, tasks)
LISTS: dict[str, Callable[[], list[Any]]] = {"made:api": api.navigation, "made:methods": methods.navigation}
"""What stands in mkdocs.yml where a list of pages belongs that only the code knows."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that follow from the code."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config.nav = _filled(config.nav)
    return config


def _filled(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {title: _filled(inner) for title, inner in entry.items()}
    if isinstance(entry, list):
        return [_filled(inner) for inner in entry]
    return LISTS[entry]() if entry in LISTS else entry


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every page that is made from the code."""
    for module in MADE:
        for path, text in module.pages().items():
            files.append(File.generated(config, path, content=text))
    return files
