"""The published results themselves, where they are at hand: every file is accounted for, with its own numbers."""

import json

from sqlalchemy import Engine

from app.services import results
from app.services.callers import LOCAL
from app.services.imports.hf_files import files_of_folder
from app.services.imports.hf_peft import import_results
from tests.app.services.imports.result_files import PUBLISHED_FILES, published
from tests.app.services.imports.test_hf_peft import cells, comparison_of, counts, everything


def test_every_published_file_is_accounted_for(engine: Engine) -> None:
    files = files_of_folder(published())
    report = import_results(engine, LOCAL, files)
    assert counts(report) == (94, 0, 0)
    views = {view.name: view for view in (results.study_view(engine, LOCAL, found) for found in report.study_ids)}
    assert {name: view.counts.succeeded for name, view in views.items()} == PUBLISHED_FILES
    before = everything(engine)
    assert counts(import_results(engine, LOCAL, files)) == (0, 94, 0)
    assert everything(engine) == before


def test_the_published_numbers_are_the_files_own(engine: Engine) -> None:
    folder = published()
    import_results(engine, LOCAL, files_of_folder(folder))
    for suite, score in (("MetaMathQA", "test accuracy"), ("image-gen", "test dino_similarity")):
        found = comparison_of(engine, suite)
        told = [json.loads(path.read_text()) for path in (folder / suite / "results").iterdir()]
        scores = {each["run_info"]["experiment_name"]: each["train_info"]["metrics"][-1][score] for each in told}
        labels = {row.id: row.label for row in found.configurations}
        quality = {labels[cell.configuration]: cell for cell in found.cells if cell.metric == "task_performance"}
        assert {name: cell.mean for name, cell in quality.items()} == scores
        assert all((cell.interval is not None) == (suite == "MetaMathQA") for cell in quality.values())
    by_metric = cells(comparison_of(engine, "image-gen"), "full-finetuning/flux2-klein-default")
    assert by_metric["drift"].mean is None
    assert cells(comparison_of(engine, "image-gen"), "randlora/flux2-klein-default")["storage_bytes"].mean is None
