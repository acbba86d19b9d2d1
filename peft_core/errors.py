"""What can be wrong with a request to peft_core, each with a sentence that tells a person what to do."""


class PeftCoreError(Exception):
    """A problem whose text is meant for the person who made the request."""


class UnknownName(PeftCoreError):
    """A method, metric, task or scenario that the catalogue does not have."""


class InvalidHyperparameter(PeftCoreError):
    """A hyper-parameter that the maths or the base model does not allow."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotOffered(PeftCoreError):
    """A method that cannot serve this base model or task; the text is the reason."""


class InvalidBaseModel(PeftCoreError):
    """A folder that is not a base model we can load."""


class InvalidDataset(PeftCoreError):
    """A dataset that cannot make a fair comparison; the text names the column, the line or the count."""


class RunFailed(PeftCoreError):
    """A run that ended without a result, with what to change."""


class RunPaused(PeftCoreError):
    """A run that was asked to stop for now; its checkpoint is in its folder."""

    def __init__(self, step: int) -> None:
        super().__init__(f"paused after step {step}")
        self.step = step


class HubError(PeftCoreError):
    """A repository of a model hub that cannot be had; the text says why and what to do."""


class MissingAsset(PeftCoreError):
    """A registered model or dataset that was never installed."""
