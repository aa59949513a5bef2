"""Gunicorn's settings for the benchmarks, in the place of the project's own."""

worker_class = "gthread"
keepalive = 75
loglevel = "warning"
control_socket_disable = True
