"""What split_deploy needs to know; sync_only.py and async_only.py add the role."""

SPLIT_DEPLOY = {
    "ASYNC_PREFIX": "async/",
    "SYNC_SETTINGS": "settings.sync_only",
    "ASYNC_SETTINGS": "settings.async_only",
    # Opened when the async instance starts, closed when it stops.
    "LIFESPAN": ["app.http_client.lifespan"],
}
