"""What split_deploy needs to know; sync_only.py and async_only.py add the role."""

SPLIT_DEPLOY = {
    "ASYNC_PREFIX": "async/",
    "SYNC_SETTINGS": "settings.sync_only",
    "ASYNC_SETTINGS": "settings.async_only",
    # Opened when the async instance starts, closed when it stops.
    "LIFESPAN": ["app.http_client.lifespan"],
    # With DEBUG a blocking call in the event loop is an error. This one is there to be seen.
    "BLOCKING_ALLOWED": [("app/async_views.py", "burn_some_meats")],
}
