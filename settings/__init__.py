"""Django settings, one module an instance.

``settings.sync_only`` runs the Gunicorn instance and ``settings.async_only`` the Uvicorn one;
``settings.mixed`` runs one instance in place of the two. Each includes ``shared.py``, which
composes ``components/`` (one concern a file) and one of ``environments/`` (chosen by
``DJANGO_ENV``), so what the instances share stands once.
"""
