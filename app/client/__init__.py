"""The API as a typed Python client: what the dashboard's pages talk to, and anybody's scripts and notebooks.

`AtlasClient` is asynchronous, as pages and notebooks want it; `connect` gives the same without `await`. docs/sdk.md
shows both.
"""

from app.client.atlas import PREFIX, AtlasClient
from app.client.blocking import BlockingClient, connect
from app.client.problem import ApiProblem

__all__ = ["PREFIX", "ApiProblem", "AtlasClient", "BlockingClient", "connect"]
