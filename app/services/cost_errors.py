"""How far off the cost model was: predicted beside measured, for every configuration of a study that was probed."""

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, SeriesPointRow
from app.services.callers import Caller
from app.services.evidence import StudyEvidence, read_evidence
from app.services.studies import read_study
from peft_core.analysis.cost_model.measured import Compared, batches_of, compare
from peft_core.analysis.cost_model.setting import setting_of
from peft_core.errors import InvalidBaseModel
from peft_core.spec import RunSpec

MEASURED = ("trainable_parameters", "storage_bytes", "peak_memory")


def cost_errors(engine: Engine, caller: Caller, study_id: int) -> dict[str, list[Compared]]:
    """By label, what was predicted and measured of each configuration whose probe ended well.

    Reads the study's dataset with its tokenizer to know how long its batches were, which takes what trains installed.
    """
    with team_session(engine, caller.team_id) as session:
        evidence = read_evidence(session, read_study(session, study_id))
        found = {row.label: _compared(session, evidence, row) for row in evidence.configurations}
    return {label: compared for label, compared in found.items() if compared}


def _compared(session: Session, evidence: StudyEvidence, row: Configuration) -> list[Compared]:
    probe = next((run for run in evidence.runs(row.id, "probe") if run.status == "succeeded"), None)
    if probe is None or probe.environment is None or probe.learning_rate is None:
        return []
    spec = RunSpec.model_validate(probe.spec)
    batches = batches_of(spec)
    longest = max(batch.length for batch in batches)
    environment = probe.environment
    try:
        setting = setting_of(spec, precision=environment["precision"], device=environment["device"], length=longest)
    except InvalidBaseModel:
        return []
    values = {key: list(evidence.values(row.id, key).values()) for key in MEASURED if key in evidence.metric_keys}
    measured = {key: sum(found) / len(found) for key, found in values.items() if found}
    return compare(setting, batches, measured, _speeds(session, probe.id))


def _speeds(session: Session, run_id: int) -> list[float]:
    """Real tokens in a second, of each step in order."""
    query = select(SeriesPointRow.value).where(
        SeriesPointRow.run_id == run_id, SeriesPointRow.key == "tokens_per_second"
    )
    return [value for value in session.scalars(query.order_by(SeriesPointRow.step)) if value is not None]
