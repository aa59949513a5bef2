from django.apps import AppConfig


class ExampleConfig(AppConfig):
    """The board of watched URLs and the tutorial's views."""

    name = "app"
    default_auto_field = "django.db.models.BigAutoField"
