"""What split_deploy needs to know; sync_only.py and async_only.py add the role."""

from settings.env import env

SPLIT_DEPLOY = {
    "ASYNC_PREFIX": "async/",
    "SYNC_SETTINGS": "settings.sync_only",
    "ASYNC_SETTINGS": "settings.async_only",
    # Opened when the async instance starts, closed when it stops.
    "LIFESPAN": ["app.http_client.lifespan"],
    # Threads of each async process, for what has to block: as many connections to each database.
    "THREADS": env.number("ASYNC_THREADS", default=8, minimum=1),
    # With DEBUG a blocking call in the event loop is an error. This one is there to be seen.
    "BLOCKING_ALLOWED": [("app/async_views.py", "burn_some_meats")],
}
