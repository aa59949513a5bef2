"""The sync views: ``urls.py`` names them, Gunicorn serves them. Nothing in here awaits."""

from typing import Final

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from app import offloading, tutorial
from app.forms import WatchedURLForm
from app.models import WatchedURL

# Role, name of the URL, and what is to be seen there.
_LESSONS: Final = (
    ("sync", "blocking", "A blocking view: it counts to five, calls a URL, then answers."),
    ("async", "hello", "The other hello: the same project, served by the other instance."),
    ("async", "whoami", "Knows your login on the sync instance, or sends you there to log in."),
    ("async", "non-blocking", "Answers at once and does the same work in a background task."),
    ("async", "smoke-some-meats", "Two awaited calls that overlap: as long as the longer one."),
    ("async", "sync-to-async", "Sync work sent to a thread, so that the event loop stays free."),
    ("async", "offload-to-thread", "A slow hash in a thread, while the event loop goes on."),
    ("async", "offload-to-process", "A computation in Python, in a process of its own."),
    ("async", "blocking-first", "Plain blocking code in an async view, and one section of await."),
    ("async", "burn-some-meats", "The anti-pattern: a blocking call, and what the watchdog says."),
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say hello and name the instance."""
    return render(request, "app/home.html", {"lessons": _LESSONS})


@require_http_methods(["GET", "HEAD", "POST"])
def board(request: HttpRequest) -> HttpResponse:
    """List the watched URLs, for everybody; add one, with a login."""
    form = None
    if request.user.is_authenticated:
        data = request.POST if request.method == "POST" else None
        form = WatchedURLForm(data, owner=request.user)
    if request.method == "POST":
        if form is None:
            return redirect_to_login(reverse("board"))
        if form.is_valid() and _saved(form):
            messages.success(request, f"{form.instance.url} is on the board.")
            return redirect("board")
    rows = [
        (watched, watched.may_be_deleted_by(request.user))
        for watched in WatchedURL.objects.select_related("owner")
    ]
    return render(request, "app/board.html", {"rows": rows, "form": form})


def _saved(form: WatchedURLForm) -> bool:
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:  # somebody was faster, since the form looked
        form.add_error("url", form.instance.unique_error_message(WatchedURL, ("url",)))
        return False
    return True


@require_POST
def delete_watched_url(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a URL off the board. Its owner may, and staff."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("board"))
    watched = get_object_or_404(WatchedURL, pk=pk)
    if not watched.may_be_deleted_by(request.user):
        raise PermissionDenied
    watched.delete()
    messages.success(request, f"{watched.url} is off the board.")
    return redirect("board")


@require_safe
def blocking(request: HttpRequest) -> HttpResponse:
    """Answer when all is done: in a sync view the client waits, and one thread with it."""
    try:
        tutorial.count_and_call()
    except tutorial.ENDPOINT_ERRORS as error:
        return tutorial.no_answer(error)
    return HttpResponse("Blocking HTTP request")


@require_safe
def adapt_async_code(request: HttpRequest) -> HttpResponse:
    """Wait for two things at once, with a library that is async, in a sync view.

    ``async_to_sync`` makes an event loop for it, and throws it away.
    """
    try:
        statuses = async_to_sync(offloading.ask_twice)()
    except tutorial.ENDPOINT_ERRORS as error:
        return tutorial.no_answer(error)
    return HttpResponse(f"Asked twice at once: {statuses}")
