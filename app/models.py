from typing import Final

import httpx
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models

from app.audit import Audited
from app.validators import validate_watched_url
from split_deploy import reverse

MAX_LENGTH: Final = 500


class WatchedURL(Audited):
    """A URL on the board. The board is one for all users, so a URL stands on it once."""

    url = models.URLField(
        "URL",
        max_length=MAX_LENGTH,
        unique=True,
        validators=[validate_watched_url],
        error_messages={"unique": "This URL is on the board already."},
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watched_urls"
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("url",)
        verbose_name = "watched URL"

    def __str__(self) -> str:
        return self.url

    def get_absolute_url(self) -> str:
        return reverse("board", fragment=f"url-{self.pk}")

    def clean(self) -> None:
        """Spell the URL one way: ``HTTP://Example.com:80`` is ``http://example.com/``."""
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValidationError({"url": f"Enter a valid URL: {error}."}) from error
        # A raw path is never empty: "/" at least.
        self.url = str(url.copy_with(raw_path=url.raw_path, fragment=None))
        if len(self.url) > MAX_LENGTH:
            raise ValidationError(
                {"url": f"Written in ASCII this URL has more than {MAX_LENGTH} characters."}
            )

    def may_be_deleted_by(self, user: AbstractBaseUser | AnonymousUser) -> bool:
        return user.is_staff or self.owner_id == user.pk
