"""What split_deploy needs to know; sync_only.py, async_only.py and mixed.py add the role."""

from settings.env import env

SPLIT_DEPLOY = {
    "ASYNC_PREFIX": "async/",
    "SYNC_SETTINGS": "settings.sync_only",
    "ASYNC_SETTINGS": "settings.async_only",
    # Opened when the async instance starts, closed when it stops.
    "LIFESPAN": ["app.http_client.lifespan"],
    # Threads of each async process, for what has to block: as many connections to each database.
    "THREADS": env.number("ASYNC_THREADS", default=8, minimum=1),
    # Those of run_in_thread() and run_in_process(), for long computations: docs/offloading.md.
    "TASK_THREADS": env.number("ASYNC_TASK_THREADS", default=4, minimum=1),
    "TASK_PROCESSES": env.number("ASYNC_TASK_PROCESSES", default=2, minimum=1),
    # With DEBUG a blocking call in the event loop is an error. This one is there to be seen.
    "BLOCKING_ALLOWED": [("app/async_views.py", "burn_some_meats")],
}
