"""What the product can do, each in terms of a caller. Routers and the worker call these; nothing here knows HTTP."""
