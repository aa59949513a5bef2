"""``split-deploy run``: Gunicorn, Uvicorn and nginx, started, watched and stopped as one.

Read it in this order: ``options`` (what was asked for), ``prepare`` (migrations and static files,
in a process of its own), ``commands`` (the three command lines), ``child`` (one process and its
output), ``supervisor`` (all three together), ``reload`` (noticing a change of the code, in the
instances).
"""
