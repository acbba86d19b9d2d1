"""Base models and data: those of the quickstart, and one's own."""

from collections.abc import Iterator

from app.cli.doctor.finding import Finding, ok, problem, warning
from app.services.base_models import unusable_models
from app.settings import Settings
from peft_core import assets
from peft_core.errors import InvalidBaseModel
from peft_core.model_shape import read_model_shape

FETCH = "Run `make setup`, or `python -m peft_core.assets` with the Python above."


def check(settings: Settings) -> Iterator[Finding]:
    """What `make setup` fetches, and every folder that models are read from."""
    at_setup = {name: path for source in assets.sources() if source.at_setup for name, path in source.paths().items()}
    missing = [name for name, path in at_setup.items() if not path.exists()]
    if missing:
        yield problem("assets", f"not installed: {', '.join(missing)}", FETCH)
    else:
        yield ok("assets", f"{', '.join(at_setup)} are installed")
    yield from _damaged()
    yield from _own(settings)


def _damaged() -> Iterator[Finding]:
    for name, model in assets.base_models().items():
        try:
            read_model_shape(model.folder)
        except InvalidBaseModel as error:
            yield problem("models", f"{name} is damaged: {error}", f"Delete {model.folder}. {FETCH}")


def _own(settings: Settings) -> Iterator[Finding]:
    for variable, roots in (("MODEL_ROOTS", settings.model_roots), ("DATASET_ROOTS", settings.dataset_roots)):
        for folder in settings.folders(roots):
            if not folder.is_dir():
                advice = f"Mount or make it, or take it out of PEFT_ATLAS_{variable}."
                yield warning("models", f"PEFT_ATLAS_{variable} names {folder}, which is no folder", advice)
    for folder, reason in unusable_models(settings):
        yield warning("models", f"{folder} cannot be used: {reason}", "Save it again with `save_pretrained`.")
