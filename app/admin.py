from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from app.models import WatchedURL


@admin.register(WatchedURL)
class WatchedURLAdmin(admin.ModelAdmin):
    list_display = ("url", "owner", "created")
    list_filter = ("owner", "created")
    list_select_related = ("owner",)
    search_fields = ("url", "owner__username")
    date_hierarchy = "created"
    autocomplete_fields = ("owner",)
    readonly_fields = ("created", "changed_by")
    # Django 5.2 warns about a URLField that leaves the scheme to assume open.
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # The one who adds a URL is its owner, unless they choose another.
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}
