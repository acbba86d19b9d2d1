"""Errors as RFC 9457 problem+json, each with a sentence that tells a person what to do."""

import logging
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException

from app.api.routes import route_of
from app.db.session import is_disk_full
from app.errors import AtlasError, DiskFull, NotFound
from app.language import mark, tr
from app.logs import request_id
from peft_core.errors import MissingAsset, PeftCoreError

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
HTTP_TITLES = {404: mark("Not found"), 405: mark("Method not allowed")}


def problem_body(status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The members of a problem; `errors` lists wrong fields with a message each, `request_id` finds it in the log."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    request = request_id.get()
    return body | ({"request_id": request} if request else {}) | ({"errors": errors} if errors else {})


def problem(status: int, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """A problem as an answer."""
    return JSONResponse(problem_body(status, title, detail, errors), status_code=status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """One handler for each kind of error; nothing else turns errors into answers."""
    app.add_exception_handler(AtlasError, _atlas)
    app.add_exception_handler(PeftCoreError, _core)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(NoConnectionFree, _database)
    app.add_exception_handler(Exception, _unexpected)


def answer_as_absent(app: FastAPI, *errors: type[Exception]) -> None:
    """What raises one of these, of a library that serves files, was asked for a file that it does not have."""
    for error in errors:
        app.add_exception_handler(error, _absent)


async def _absent(request: Request, _error: Exception) -> JSONResponse:
    return await _http(request, HTTPException(404))


async def _atlas(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AtlasError)
    errors = [{"field": error.field, "message": error.detail}] if error.field else None
    return problem(error.status, tr(error.title), error.detail, errors)


async def _core(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, MissingAsset):
        return problem(503, tr("Not installed"), str(error))
    return problem(422, tr("Not valid"), str(error))


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": _field(found), "message": _message(found)} for found in error.errors()[:20]]
    first = errors[0]
    detail = f"{first['field']}: {first['message']}." if first["field"] else f"{first['message']}."
    return problem(422, tr("Not valid"), detail, errors)


def _field(found: Any) -> str:
    """The path of a field as a document writes it; where a union was tried, without the name of its member."""
    return ".".join(str(part) for part in found["loc"][1:] if not (isinstance(part, str) and "[" in part))


def _message(found: Any) -> str:
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return tr("The body is not JSON")
    if found["type"] in ("model_attributes_type", "dict_type") and len(found["loc"]) <= 1:
        return tr("The body must be a JSON object, as in the example of the API's documentation")
    if found["type"] == "extra_forbidden":
        return tr("there is no such field; remove it")
    return message[:1].lower() + message[1:]


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _atlas(
            request, NotFound(tr("There is nothing at {path}. See /api/docs for what there is.", path=request.url.path))
        )
    if error.status_code == 400:
        if "form-data" in request.headers.get("content-type", ""):
            return problem(
                422, tr("Not valid"), tr("The form could not be read. Send at most 1,000 files, all called 'files'.")
            )
        # The framework's answer to a body that its JSON parser gives up on: too deep, or a number too long.
        return problem(422, tr("Not valid"), tr("The body could not be read as JSON. Send a plain JSON object."))
    if error.status_code == 413:
        return problem(413, tr("Too large"), tr("The body is larger than this route reads. Send less at a time."))
    title = tr(HTTP_TITLES.get(error.status_code, "Refused"))
    return problem(error.status_code, title, f"{request.method} {request.url.path}: {error.detail}.")


async def _database(request: Request, error: Exception) -> JSONResponse:
    logger.warning("the database did not answer: %s", error)
    if isinstance(error, OperationalError) and is_disk_full(error):
        request.app.state.disk_full_at = time.monotonic()
        full = DiskFull(tr("The database's disk is full. Nothing was changed; free some room, then try again."))
        answer = await _atlas(request, full)
    else:
        detail = tr("The database did not answer. Nothing was changed; try again in a moment.")
        answer = problem(503, tr("Not available"), detail)
    answer.headers["retry-after"] = "5"
    return answer


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, route_of(request.scope), exc_info=error)
    words = tr(
        "This is a fault of PEFT Atlas. The server's log says more: search it for {request}.",
        request=request_id.get() or "",
    )
    return problem(500, tr("Something went wrong"), words)
