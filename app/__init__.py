"""The example: a board of watched URLs, and the views of the async tutorial.

It is here to be read and then deleted. To start an app of your own:

1. Remove ``app/``, ``tests/app/``, and in ``tests/e2e/`` ``test_app.py``, ``test_tutorial.py`` and
   ``test_browser.py``; also ``docs/``, ``tests/docs/`` and ``mkdocs.yml``, which document this
   repository with it.
2. In ``urls.py`` and ``async_urls.py`` remove the import from ``app`` and the paths that use it.
3. In the settings remove ``"app"`` from ``INSTALLED_APPS``, ``"app.http_client.lifespan"`` from
   ``SPLIT_DEPLOY["LIFESPAN"]``, and ``components/example.py`` with its line in ``shared.py``.

Read ``views.py`` (what the Gunicorn instance serves) beside ``async_views.py`` (what the Uvicorn
instance serves) first.
"""
