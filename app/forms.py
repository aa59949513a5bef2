from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser

from app.models import MAX_LENGTH, WatchedURL


class WatchedURLForm(forms.ModelForm):
    """Adds a URL to the board in ``owner``'s name."""

    url = forms.URLField(
        label="URL to watch",
        max_length=MAX_LENGTH,
        assume_scheme="https",
        widget=forms.URLInput(
            attrs={"placeholder": "https://www.example.com/", "autocomplete": "url"}
        ),
    )

    class Meta:
        model = WatchedURL
        fields = ("url",)

    def __init__(self, *args: Any, owner: AbstractBaseUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.owner = owner
