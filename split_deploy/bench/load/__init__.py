"""Who asks: load as fast as it is answered, at a fixed rate, and as open event streams.

Each tool is a process of its own, kept on the cores that the servers don't have, and returns plain
figures: floats, in milliseconds and bytes. ``figures`` has what all of them take and return,
``wire`` a request's bytes, ``process`` starts them, ``timing`` waits exactly.
"""
