"""Who saved a row last, filled in where it is saved and not in each view that does."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models

from split_deploy.context import get_current_user


class Audited(models.Model):
    """A model whose ``changed_by`` is whoever was the current user when it was last saved.

    ``None``: nobody, as in a shell that has not said who acts. What is no ``save()``, such as
    ``QuerySet.update()``, leaves it as it was.
    """

    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save it, in whatever instance: ``asave()`` and ``acreate()`` come here, in a thread."""
        user = get_current_user()
        self.changed_by = user if user is not None and user.is_authenticated else None
        if update_fields is not None:
            update_fields = {*update_fields, "changed_by"}
        super().save(*args, update_fields=update_fields, **kwargs)
