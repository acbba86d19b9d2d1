"""What a study is judged by: the score of its kind of task, or the one that its imported results came with."""

from app.db.tables import Study
from peft_core.task import PublishedScore, Score, task_kind


def score_of(study: Study) -> Score:
    """The study's headline score. A task that only others train says its score in the study itself."""
    published = study.task.get("score")
    return PublishedScore.model_validate(published) if published else task_kind(study.task["kind"])
