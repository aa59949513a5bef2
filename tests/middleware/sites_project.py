"""A project with Django's sites, which prints what its pages answer and how many hops they took.

``python -m tests.middleware.sites_project FILE``, with a file for its database.
"""

import asyncio
import sys

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

from split_deploy.middleware import native

PAGE = {"flatpages/default.html": "{{ flatpage.title }}"}
LOADERS = [
    ("django.template.loaders.cached.Loader", [("django.template.loaders.locmem.Loader", PAGE)])
]
TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"loaders": LOADERS},
}
APPS = ("auth", "contenttypes", "sessions", "sites", "flatpages", "redirects")


async def at(request):
    return HttpResponse(request.site.name)


async def view(request):
    return HttpResponse("here")


urlpatterns = [path("at/", at), path("view/", view)]


def fill():
    from django.contrib.flatpages.models import FlatPage
    from django.contrib.redirects.models import Redirect
    from django.contrib.sites.models import SITE_CACHE, Site
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    Site.objects.update(domain="testserver", name="the site")
    site = Site.objects.get()
    FlatPage.objects.create(url="/flat/", title="a flat page").sites.add(site)
    Redirect.objects.create(site=site, old_path="/old/", new_path="/new/")
    Redirect.objects.create(site=site, old_path="/removed/", new_path="")
    SITE_CACHE.clear()


async def ask(client, url):
    response = await client.get(url)
    text = response.content.decode() if response.status_code == 200 else response.get("Location")
    print(url, response.status_code, text, response.thread_hops.count)


def client_with(middleware):
    from split_deploy.testing import AsyncRoleClient

    settings.MIDDLEWARE = native([f"django.contrib.{middleware}"])
    return AsyncRoleClient()


async def main():
    client = client_with("sites.middleware.CurrentSiteMiddleware")
    await sync_to_async(fill)()
    await ask(client, "/at/")
    await ask(client, "/at/")
    for name in ("flatpages.middleware.FlatpageFallback", "redirects.middleware.RedirectFallback"):
        print(name)
        client = client_with(f"{name}Middleware")
        await client.get("/nothing/")  # the first 404 of a process looks for a template
        for url in ("/view/", "/flat/", "/flat", "/old/", "/old", "/removed/", "/nothing/"):
            await ask(client, url)


if __name__ == "__main__":
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
        INSTALLED_APPS=[f"django.contrib.{app}" for app in APPS],
        ROOT_URLCONF=__name__,
        SECRET_KEY="x" * 50,
        SPLIT_DEPLOY={"ROLE": "async"},
        TEMPLATES=[TEMPLATES],
    )
    django.setup()
    asyncio.run(main())
