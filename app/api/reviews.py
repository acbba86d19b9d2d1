"""Comments, tags and approvals of a study."""

from fastapi import APIRouter

from app.api.context import AsMember, AsViewer, RowId
from app.schemas import ApprovalChange, ApprovalView, CommentText, CommentView, Page, StudyView, Tags
from app.services import results, reviews

router = APIRouter(prefix="/studies/{study_id}", tags=["reviews"])


@router.get("/comments")
def list_comments(here: AsViewer, study_id: RowId) -> Page[CommentView]:
    """What was said of the study, the oldest first."""
    return Page[CommentView](items=reviews.list_comments(here.engine, here.caller, study_id))


@router.post("/comments", status_code=201)
def add_comment(here: AsMember, study_id: RowId, comment: CommentText) -> CommentView:
    """Write a comment, in plain text."""
    return reviews.add_comment(here.engine, here.caller, study_id, comment.text)


@router.patch("/comments/{comment_id}")
def edit_comment(here: AsMember, study_id: RowId, comment_id: RowId, comment: CommentText) -> CommentView:
    """Give a comment another text: its author or an administrator."""
    return reviews.edit_comment(here.engine, here.caller, study_id, comment_id, comment.text)


@router.delete("/comments/{comment_id}", status_code=204)
def delete_comment(here: AsMember, study_id: RowId, comment_id: RowId) -> None:
    """Delete a comment: its author or an administrator."""
    reviews.delete_comment(here.engine, here.caller, study_id, comment_id)


@router.put("/tags")
def set_tags(here: AsMember, study_id: RowId, tags: Tags) -> StudyView:
    """Give the study these tags and no others."""
    reviews.set_tags(here.engine, here.caller, study_id, tags.tags)
    return results.study_view(here.engine, here.caller, study_id)


@router.get("/approvals")
def list_approvals(here: AsViewer, study_id: RowId) -> Page[ApprovalView]:
    """Who signed the results off or took that back, the newest first."""
    return Page[ApprovalView](items=reviews.list_approvals(here.engine, here.caller, study_id))


@router.post("/approvals", status_code=201)
def change_approval(here: AsMember, study_id: RowId, change: ApprovalChange) -> ApprovalView:
    """Sign the results off as they are now, or take that back."""
    return reviews.change_approval(here.engine, here.caller, study_id, change)
