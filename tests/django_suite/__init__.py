"""Django's own tests, run with this package's handler and middleware in the place of Django's.

``make django-suite`` runs them for the Django that is installed. Nothing here is used elsewhere:
what is put in place, and how, is in ``replacement.py``.
"""
