"""``split-deploy run``: the instances and nginx, started, watched and stopped as one.

Read it in this order: ``options`` (what was asked for), ``instances`` (which ones the topology
has), ``prepare`` (migrations and static files, in a process of its own), ``commands`` (the command
lines), ``child`` (one process and its output), ``supervisor`` (all of them together), ``reload``
(noticing a change of the code, in the instances).
"""
