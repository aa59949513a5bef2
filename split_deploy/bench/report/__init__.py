"""The report of a benchmark: what is shown meanwhile, and the files that it ends in.

``live`` is for the time of the run. ``write`` makes the files of a report: ``report.json``, which
``schema.json`` describes, ``report.html`` from it with ``html``, and the charts with ``charts``.
"""
