"""The project that the benchmarks serve: what ``startproject`` makes, with some views.

The environment chooses: see ``settings.py`` and ``asgi.py``.
"""
