"""GET comparisons: methods over several studies; GET comparisons/csv: the same matrix as a file."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from app.api.context import AsViewer
from app.schemas import StudiesCompared
from app.services.across_studies import Asked, compare_studies
from app.services.across_studies_csv import as_csv

router = APIRouter(prefix="/comparisons", tags=["comparisons"])
LONGEST_LIST = 4_000
Name = Annotated[str | None, Query(max_length=200)]


def asked(
    kind: Name = None,
    studies: Annotated[str, Query(max_length=LONGEST_LIST, pattern=r"^[0-9,]*$")] = "",
    methods: Annotated[str, Query(max_length=LONGEST_LIST)] = "",
    a: Name = None,
    b: Name = None,
    approved: bool = False,
) -> Asked:
    """What is to be compared. `studies`, `methods`: lists with commas between; what means nothing is passed over.
    `approved`: of the studies only those whose results somebody signed off."""
    ids = [int(part) for part in studies.split(",") if 0 < len(part) < 19]
    return Asked(kind, ids, [part for part in methods.split(",") if part], a, b, approved)


Question = Annotated[Asked, Depends(asked)]


@router.get("")
def compare(here: AsViewer, question: Question) -> StudiesCompared:
    """Methods over the studies of one kind of task: shares of full fine-tuning's gain, two methods against each other
    (a Bayesian signed-rank test from eight studies on), and all of them (Friedman and Nemenyi from eight on)."""
    return compare_studies(here.engine, here.caller, question)


@router.get("/csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export(here: AsViewer, question: Question) -> Response:
    """The matrix: one line for each method in each study, with the runs behind it."""
    found = compare_studies(here.engine, here.caller, question)
    headers = {"content-disposition": 'attachment; filename="methods-over-studies.csv"'}
    return PlainTextResponse(as_csv(found), media_type="text/csv", headers=headers)
