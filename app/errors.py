"""What can go wrong for a person who uses the product: each error has an HTTP status and says what to do."""

from app.language import mark


class AtlasError(Exception):
    """Base of the domain errors. `field` names the part of the request that is wrong, where there is one."""

    status = 500
    title = mark("Something went wrong")

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(AtlasError):
    status = 404
    title = mark("Not found")


class Unauthenticated(AtlasError):
    """Nobody that is known asks. Answered with what opens the door."""

    status = 401
    title = mark("Log in first")


class TooManyAttempts(AtlasError):
    status = 429
    title = mark("Too many attempts")


class Forbidden(AtlasError):
    status = 403
    title = mark("Refused")


class Conflict(AtlasError):
    status = 409
    title = mark("Not possible now")


class TooLarge(AtlasError):
    status = 413
    title = mark("Too large")


class UnsupportedContent(AtlasError):
    status = 415
    title = mark("Unsupported content type")


class Invalid(AtlasError):
    status = 422
    title = mark("Not valid")


class DiskFull(AtlasError):
    status = 507
    title = mark("Not enough room on the disk")


class Unavailable(AtlasError):
    status = 503
    title = mark("Not available")


class LeaseLost(AtlasError):
    """A worker wrote about a run that is no longer its own."""

    status = 409
    title = mark("The run belongs to another attempt")
