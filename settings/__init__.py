"""Django settings, one module an instance.

``settings.sync_only`` runs the Gunicorn instance and ``settings.async_only`` the Uvicorn one. Both
include ``shared.py``, which composes ``components/`` (one concern a file) and one of
``environments/`` (chosen by ``DJANGO_ENV``), so what the two instances share stands once.
"""
