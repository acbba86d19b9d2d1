"""What a team says of a study: comments, tags, approvals with their history."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from app.db.session import database_now, strict_json, team_session, write_lock
from app.db.tables import MeasurementRow, Run, StudyApproval, StudyComment, StudyTag
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.schemas import ApprovalChange, ApprovalView, CommentView
from app.services.callers import Caller
from app.services.studies import read_study

MOST_COMMENTS = 1_000
"""Of one study."""


def list_comments(engine: Engine, caller: Caller, study_id: int) -> list[CommentView]:
    """The study's comments, the oldest first."""
    with team_session(engine, caller.team_id) as session:
        read_study(session, study_id)
        found = session.scalars(select(StudyComment).where(StudyComment.study_id == study_id).order_by(StudyComment.id))
        return [_comment_view(comment, caller) for comment in found]


def add_comment(engine: Engine, caller: Caller, study_id: int, text: str) -> CommentView:
    """Write a comment in the caller's name."""
    said = _said(text)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        _check_room(session, study_id)
        comment = StudyComment(study_id=study_id, user=caller.user, text=said, created_at=database_now(session))
        session.add(comment)
        session.flush()
        return _comment_view(comment, caller)


def edit_comment(engine: Engine, caller: Caller, study_id: int, comment_id: int, text: str) -> CommentView:
    """Give a comment another text; it says that it was edited."""
    said = _said(text)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        comment = _own_comment(session, caller, study_id, comment_id)
        if comment.text != said:
            comment.text, comment.edited_at = said, database_now(session)
        return _comment_view(comment, caller)


def delete_comment(engine: Engine, caller: Caller, study_id: int, comment_id: int) -> None:
    """Forget a comment's text; that there was one stays, for others may have answered it."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        comment = _own_comment(session, caller, study_id, comment_id)
        comment.text, comment.deleted_at = "", database_now(session)


def _check_room(session: Session, study_id: int) -> None:
    count = session.scalar(select(func.count()).where(StudyComment.study_id == study_id)) or 0
    if count >= MOST_COMMENTS:
        raise Conflict(f"A study holds at most {MOST_COMMENTS:,} comments. Edit one of yours instead.")


def _said(text: str) -> str:
    said = text.strip()
    if not said:
        raise Invalid("Write something: a comment cannot be empty.", field="text")
    if "\0" in said:
        raise Invalid("A comment cannot hold a NUL character.", field="text")
    return said


def _own_comment(session: Session, caller: Caller, study_id: int, comment_id: int) -> StudyComment:
    """The comment, which the caller may change; a deleted one is as good as absent."""
    read_study(session, study_id)
    wanted = select(StudyComment).where(StudyComment.id == comment_id, StudyComment.study_id == study_id)
    comment = session.scalar(wanted.where(StudyComment.deleted_at.is_(None)))
    if comment is None:
        raise NotFound(f"Study {study_id} has no comment {comment_id}. It may have been deleted.")
    if not _may_change(comment, caller):
        raise Forbidden("Only its author or an administrator can change a comment. Write one of your own.")
    return comment


def _may_change(comment: StudyComment, caller: Caller) -> bool:
    return caller.role == "admin" or comment.user == caller.user


def _comment_view(comment: StudyComment, caller: Caller) -> CommentView:
    return CommentView(
        id=comment.id,
        study_id=comment.study_id,
        user=comment.user,
        text=comment.text,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        deleted_at=comment.deleted_at,
        own=comment.deleted_at is None and _may_change(comment, caller),
    )


# -- tags -------------------------------------------------------------------------------------------------------------


def set_tags(engine: Engine, caller: Caller, study_id: int, tags: Sequence[str]) -> None:
    """Give the study these tags and no others; the same word in other case is the same tag."""
    wanted = _distinct(tags)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        session.execute(delete(StudyTag).where(StudyTag.study_id == study_id))
        session.add_all(StudyTag(study_id=study_id, tag=tag) for tag in wanted)


def _distinct(tags: Sequence[str]) -> list[str]:
    """Spaces in a row count as one. Raises Invalid for a tag that shows nothing or cannot be typed again."""
    found: dict[str, str] = {}
    for place, tag in enumerate(tags):
        word = " ".join(tag.split())
        if not word:
            raise Invalid("A tag cannot be empty. Leave it out.", field=f"tags.{place}")
        if "," in word or not word.isprintable():
            raise Invalid("A tag cannot hold commas or control characters.", field=f"tags.{place}")
        found.setdefault(word.casefold(), word)
    return list(found.values())


def tags_of(session: Session, study_ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags of studies, in the order of their letters."""
    found: dict[int, list[str]] = {study_id: [] for study_id in study_ids}
    for row in session.scalars(select(StudyTag).where(StudyTag.study_id.in_(study_ids))):
        found[row.study_id].append(row.tag)
    return {study_id: sorted(tags, key=str.casefold) for study_id, tags in found.items()}


def tagged_with(session: Session, tag: str) -> list[int]:
    """The studies that have a tag, whatever its case."""
    wanted = " ".join(tag.split()).casefold()
    rows = session.scalars(select(StudyTag))
    return [row.study_id for row in rows if row.tag.casefold() == wanted]


def comments_of(session: Session, study_ids: Sequence[int]) -> dict[int, int]:
    """How many comments studies have, deleted ones not counted."""
    rows = session.execute(
        select(StudyComment.study_id, func.count())
        .where(StudyComment.study_id.in_(study_ids), StudyComment.deleted_at.is_(None))
        .group_by(StudyComment.study_id)
    )
    found = dict.fromkeys(study_ids, 0)
    for study_id, count in rows:
        found[study_id] = count
    return found


# -- approvals --------------------------------------------------------------------------------------------------------


def list_approvals(engine: Engine, caller: Caller, study_id: int) -> list[ApprovalView]:
    """The study's approvals and withdrawals, the newest first."""
    with team_session(engine, caller.team_id) as session:
        read_study(session, study_id)
        found = session.scalars(
            select(StudyApproval).where(StudyApproval.study_id == study_id).order_by(StudyApproval.id.desc())
        ).all()
        now = results_sha256(session, study_id) if found else ""
        return [_approval_view(approval, now) for approval in found]


def change_approval(engine: Engine, caller: Caller, study_id: int, change: ApprovalChange) -> ApprovalView:
    """Sign the study's results off as they are now, or take that back. Raises Conflict where there is nothing to sign,
    or where it is so already."""
    note = change.note.strip()
    if "\0" in note:
        raise Invalid("A note cannot hold a NUL character.", field="note")
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        now, last = results_sha256(session, study_id), _last_approval(session, study_id)
        _check_change(session, study_id, change, last, now)
        approval = StudyApproval(
            study_id=study_id,
            state=change.state,
            user=caller.user,
            note=note,
            results_sha256=now,
            created_at=database_now(session),
        )
        session.add(approval)
        session.flush()
        return _approval_view(approval, now)


def _check_change(
    session: Session, study_id: int, change: ApprovalChange, last: StudyApproval | None, now: str
) -> None:
    approved = last is not None and last.state == "approved"
    if change.state == "withdrawn":
        if not approved:
            raise Conflict("This study is not approved, so there is nothing to withdraw.")
        return
    if approved and last is not None and last.results_sha256 == now:
        raise Conflict(f"{last.user} approved this study already, and its results have not changed since.")
    if not _has_results(session, study_id):
        raise Conflict("This study has no results yet. Approve it when a run has ended well.")


def _has_results(session: Session, study_id: int) -> bool:
    measured = select(MeasurementRow.run_id).join(Run, Run.id == MeasurementRow.run_id)
    wanted = measured.where(Run.study_id == study_id, Run.status == "succeeded", MeasurementRow.value.is_not(None))
    return session.scalar(wanted.limit(1)) is not None


def approval_of(session: Session, study_id: int) -> ApprovalView | None:
    """The study's newest approval or withdrawal; None where nobody ever approved it."""
    last = _last_approval(session, study_id)
    return _approval_view(last, results_sha256(session, study_id)) if last is not None else None


def _last_approval(session: Session, study_id: int) -> StudyApproval | None:
    newest = select(StudyApproval).where(StudyApproval.study_id == study_id).order_by(StudyApproval.id.desc())
    return session.scalar(newest.limit(1))


def _approval_view(approval: StudyApproval, now: str) -> ApprovalView:
    return ApprovalView.model_validate(
        {
            "id": approval.id,
            "state": approval.state,
            "user": approval.user,
            "note": approval.note,
            "created_at": approval.created_at,
            "changed_since": approval.results_sha256 != now,
        }
    )


def results_sha256(session: Session, study_id: int) -> str:
    """A fingerprint of all that a study's ended runs came to: it changes when runs are added or measured again."""
    ended = select(Run.id, Run.status, Run.validation_score).where(
        Run.study_id == study_id, Run.status.in_(("succeeded", "failed"))
    )
    measured = (
        select(MeasurementRow.run_id, MeasurementRow.metric, MeasurementRow.value)
        .join(Run, Run.id == MeasurementRow.run_id)
        .where(Run.study_id == study_id, Run.status == "succeeded")
    )
    runs = [list(row) for row in session.execute(ended.order_by(Run.id))]
    values = [list(row) for row in session.execute(measured.order_by(MeasurementRow.run_id, MeasurementRow.metric))]
    return hashlib.sha256(strict_json([runs, values]).encode()).hexdigest()
