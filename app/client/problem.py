"""What the API refuses."""


class ApiProblem(Exception):
    """A refusal of the API. `detail` is a sentence for a person; `errors` lists wrong fields."""

    def __init__(self, status: int, title: str, detail: str, errors: list[dict[str, str]]) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors = status, title, detail, errors
