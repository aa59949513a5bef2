"""The middleware that startproject leaves out: the same answers as Django's, and their threads."""

import gzip
import re
import subprocess
import sys
import textwrap

import django
import pytest
from asgiref.sync import sync_to_async
from django.core import mail
from django.core.cache import caches
from django.core.management import call_command
from django.http import Http404, HttpResponse, HttpResponseNotFound, StreamingHttpResponse
from django.urls import path
from django.utils.translation import gettext, trans_real
from django.views.decorators.clickjacking import xframe_options_exempt, xframe_options_sameorigin

from split_deploy.middleware import common, native
from split_deploy.middleware.clickjacking import XFrameOptionsMiddleware
from tests.e2e.stack import ROOT, clean_environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

HERE = __name__
LONG = "".join(f"{number} " for number in range(30_000))  # 170 KB


async def view(request):
    return HttpResponse("x" * 1000)


async def long(request):
    return HttpResponse(LONG)


async def stream(request):
    async def parts():
        for _ in range(3):
            yield b"part "

    return StreamingHttpResponse(parts())


async def missing(request):
    raise Http404


async def gone(request):
    return HttpResponseNotFound("gone")


async def translated(request):
    return HttpResponse(gettext("Monday"))


async def private(request):
    return HttpResponse("private", headers={"Cache-Control": "private"})


async def tagged(request):
    return HttpResponse("tagged", headers={"ETag": '"a"'})


async def at(request):
    return HttpResponse(request.site.domain)


counted = []


async def count(request):
    counted.append(request.path)
    return HttpResponse(str(len(counted)))


@xframe_options_exempt
async def framed(request):
    return HttpResponse()


@xframe_options_sameorigin
async def framed_here(request):
    return HttpResponse()


urlpatterns = [
    path(f"{view.__name__}/", view)
    for view in (
        *(view, long, stream, missing, gone, translated, private, tagged, at, count),
        *(framed, framed_here),
    )
]


@pytest.fixture
def both(serve):
    """``both(path, **settings)``: a client with Django's middleware and one with ours."""

    def both(*paths, **values):
        for middleware in (list(paths), native(paths)):
            yield serve(HERE, middleware, **values)

    return both


async def answers(clients, url, **options):
    """The responses of Django's and of ours, which are the same but for their hops."""
    theirs, ours = [await client.get(url, **options) for client in clients]
    assert ours.status_code == theirs.status_code
    assert ours.headers.items() == theirs.headers.items()
    assert ours.cookies == theirs.cookies
    if not ours.streaming and not ours.has_header("Content-Encoding"):
        assert ours.content == theirs.content
    return ours


# CommonMiddleware

COMMON = "django.middleware.common.CommonMiddleware"


@pytest.mark.parametrize(
    ("url", "status"), [("/view/", 200), ("/view", 301), ("/nothing", 404), ("/stream/", 200)]
)
async def test_a_missing_slash_and_the_length(both, url, status):
    response = await answers(both(COMMON), url)
    assert response.status_code == status
    assert (response.get("Location") == "/view/") == (status == 301)
    assert response.has_header("Content-Length") or url in ("/view", "/stream/")


async def test_www_is_prepended(both):
    response = await answers(both(COMMON, PREPEND_WWW=True, ALLOWED_HOSTS=["*"]), "/view/")
    assert response.headers["Location"] == "http://www.testserver/view/"


async def test_a_user_agent_is_refused_even_if_its_host_is_known(both):
    await answers(both(COMMON), "/view/")
    clients = both(COMMON, DISALLOWED_USER_AGENTS=[re.compile("^evil")])
    response = await answers(clients, "/view/", headers={"User-Agent": "evil bot"})
    assert response.status_code == 403


async def test_a_host_is_refused_and_is_again_when_it_no_longer_is_allowed(serve):
    client = serve(HERE, native([COMMON]), ALLOWED_HOSTS=["good.example"])
    for _ in range(2):
        assert (await client.get("/view/", headers={"Host": "good.example"})).status_code == 200
        assert (await client.get("/view/", headers={"Host": "evil.example"})).status_code == 400
    assert common._accepted == {"good.example": ["good.example"]}
    client = serve(HERE, native([COMMON]), ALLOWED_HOSTS=["other.example"])
    assert (await client.get("/view/", headers={"Host": "good.example"})).status_code == 400


async def test_a_list_of_hosts_that_is_changed_counts_at_once(serve):
    hosts = ["good.example", "other.example"]
    client = serve(HERE, native([COMMON]), ALLOWED_HOSTS=hosts)
    headers = {"Host": "good.example"}
    assert (await client.get("/view/", headers=headers)).status_code == 200
    hosts.remove("good.example")
    assert (await client.get("/view/", headers=headers)).status_code == 400


async def test_no_host_is_remembered_where_more_than_the_host_counts(serve):
    for options in (
        {"USE_X_FORWARDED_HOST": True},
        {"USE_X_FORWARDED_HOST": False, "PREPEND_WWW": True},
        {"PREPEND_WWW": False, "DISALLOWED_USER_AGENTS": [re.compile("evil")]},
    ):
        await serve(HERE, native([COMMON]), **options).get("/view/")
        assert common._accepted == {}


class Hosts(list):
    """As a project may have it that looks them up."""


async def test_no_host_is_remembered_that_somebody_looks_up(serve):
    hosts = Hosts(["good.example"])
    client = serve(HERE, native([COMMON]), ALLOWED_HOSTS=hosts)
    headers = {"Host": "good.example"}
    assert (await client.get("/view/", headers=headers)).status_code == 200
    hosts.clear()
    assert (await client.get("/view/", headers=headers)).status_code == 400


async def test_no_more_than_some_hosts_are_remembered(serve):
    client = serve(HERE, native([COMMON]), ALLOWED_HOSTS=["*"])
    for number in range(common._MOST + 5):
        await client.get("/view/", headers={"Host": f"{number}.example"})
    assert len(common._accepted) == common._MOST


# BrokenLinkEmailsMiddleware

BROKEN = "django.middleware.common.BrokenLinkEmailsMiddleware"
MANAGERS = {"MANAGERS": ["boss@example.com"] if django.VERSION >= (6,) else [("a", "boss@a.b")]}


@pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")
@pytest.mark.parametrize(
    ("url", "referer", "options", "mails"),
    [
        ("/missing/", "http://testserver/view/", MANAGERS, 1),
        ("/missing/", "", MANAGERS, 0),
        ("/missing/", "http://testserver/view/", {"MANAGERS": []}, 0),
        ("/missing/", "http://testserver/missing/", MANAGERS, 0),
        ("/missing/", "http://search.example/?q=a", MANAGERS, 0),
        ("/view/", "http://testserver/long/", MANAGERS, 0),
        ("/missing/", "http://testserver/view/", MANAGERS | {"DEBUG": True}, 0),
    ],
)
async def test_a_thread_for_the_mail_of_a_broken_link(serve, url, referer, options, mails):
    hops = {}
    for middleware in ([], native([BROKEN])):
        mail.outbox.clear()
        client = serve(HERE, middleware, **options)
        await client.get(url)
        mail.outbox.clear()
        response = await client.get(url, headers={"Referer": referer} if referer else {})
        hops[len(middleware)] = response.hops
    assert len(mail.outbox) == mails
    assert hops[1] - hops[0] == mails


# XFrameOptionsMiddleware, ContentSecurityPolicyMiddleware

FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"


@pytest.mark.parametrize(
    ("url", "option", "value"),
    [
        ("/view/", "DENY", "DENY"),
        ("/view/", "sameorigin", "SAMEORIGIN"),
        ("/framed/", "DENY", None),
        ("/framed_here/", "DENY", "SAMEORIGIN"),
    ],
)
async def test_who_may_frame_a_page(both, url, option, value):
    response = await answers(both(FRAMES, X_FRAME_OPTIONS=option), url)
    assert (response.get("X-Frame-Options"), response.hops) == (value, 0)


@pytest.mark.skipif(django.VERSION < (6,), reason="Django has had it since 6.0.")
async def test_the_content_security_policy(both):
    clients = both(
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        SECURE_CSP={"default-src": ["'self'"]},
        SECURE_CSP_REPORT_ONLY={"img-src": ["*"]},
    )
    response = await answers(clients, "/view/")
    assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert response.hops == 0


class Asking(XFrameOptionsMiddleware):
    def get_xframe_options_value(self, request, response):
        return f"ALLOW-FROM {request.path}"


class NeverAsking(XFrameOptionsMiddleware):
    def get_xframe_options_value(self, request, response):
        raise AssertionError


async def test_a_subclass_is_asked_for_the_value_only_if_there_is_none(serve):
    response = await serve(HERE, [f"{HERE}.NeverAsking", f"{HERE}.Asking"]).get("/view/")
    assert response.headers["X-Frame-Options"] == "ALLOW-FROM /view/"


# GZipMiddleware, ConditionalGetMiddleware

GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
ACCEPT = {"headers": {"Accept-Encoding": "gzip"}}


@pytest.mark.parametrize(
    ("url", "options", "is_compressed", "hops"),
    [
        ("/view/", ACCEPT, True, 0),
        ("/view/", {}, False, 0),
        ("/long/", ACCEPT, True, 1),
        ("/long/", {}, False, 0),
        ("/count/", ACCEPT, False, 0),
    ],
)
async def test_a_long_page_is_compressed_in_a_thread(serve, url, options, is_compressed, hops):
    response = await serve(HERE, native([GZIP])).get(url, **options)
    assert (response.get("Content-Encoding") == "gzip") == is_compressed
    assert response.hops == hops
    if is_compressed:
        wanted = LONG if url == "/long/" else "x" * 1000
        assert gzip.decompress(response.content).decode() == wanted
        assert response.headers["Vary"] == "Accept-Encoding"


async def test_an_async_stream_is_compressed_part_by_part(serve):
    response = await serve(HERE, native([GZIP])).get("/stream/", **ACCEPT)
    body = b"".join([part async for part in response])
    assert gzip.decompress(body) == b"part " * 3
    assert response.hops == 0


async def test_what_has_not_changed_is_not_sent_again(both):
    response = await answers(both(CONDITIONAL), "/view/")
    for _ in range(2):
        again = await answers(
            both(CONDITIONAL), "/view/", headers={"If-None-Match": response.headers["ETag"]}
        )
        assert (again.status_code, again.content, again.hops) == (304, b"", 0)


async def test_a_failed_precondition_which_is_logged_takes_a_thread(both):
    response = await answers(both(CONDITIONAL), "/tagged/", headers={"If-Match": '"b"'})
    assert (response.status_code, response.hops) == (412, 1)


# LocaleMiddleware

LOCALE = "django.middleware.locale.LocaleMiddleware"


async def test_a_language_is_loaded_in_a_thread_once(both, monkeypatch):
    monkeypatch.setattr(trans_real, "_translations", {})
    for hops in (1, 0):
        _, client = both(LOCALE)
        response = await client.get("/translated/", headers={"Accept-Language": "de"})
        assert (response.text, response.hops) == ("Montag", hops)
        assert response.headers["Content-Language"] == "de"


@pytest.mark.parametrize("language", ["fr", "de-at, fr;q=0.5", "xx", ""])
async def test_the_language_is_that_which_django_finds(both, language):
    await answers(both(LOCALE), "/translated/", headers={"Accept-Language": language})


async def test_without_translations_no_thread_is_needed(both, monkeypatch):
    monkeypatch.setattr(trans_real, "_translations", {})
    response = await answers(both(LOCALE, USE_I18N=False), "/view/")
    assert response.hops == 0


# The cache

CACHE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
SINGLE = ["django.middleware.cache.CacheMiddleware"]
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


@pytest.fixture(params=["in memory", "in files", "in the database"])
def cached(request, serve, tmp_path):
    kind = request.param
    backend = {
        "in memory": LOCMEM,
        "in files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        },
        "in the database": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache_table",
        },
    }[kind]

    def empty():
        if kind == "in the database":
            call_command("createcachetable", verbosity=0)
        caches["default"].clear()
        counted.clear()

    async def cached(paths):
        client = serve(HERE, native(paths), CACHES={"default": backend})
        await sync_to_async(empty)()
        client.hops = 0 if kind == "in memory" else 1
        return client

    return cached


@pytest.mark.parametrize("paths", [CACHE, SINGLE], ids=["pair", "single"])
async def test_a_page_is_looked_for_in_one_hop_and_put_in_one(cached, paths):
    client = await cached(paths)

    response = await client.get("/count/")
    assert (response.content, response.hops) == (b"1", 2 * client.hops)
    for _ in range(2):
        response = await client.get("/count/")
        assert (response.content, response.hops) == (b"1", client.hops)
        assert response.headers["Cache-Control"] == "max-age=600"
    response = await client.head("/count/")
    assert response.hops == client.hops
    response = await client.post("/count/")
    assert (response.content, response.hops) == (b"2", 0)


async def test_what_is_private_is_not_put_there_and_takes_no_thread_for_it(cached):
    client = await cached(CACHE)
    for _ in range(2):
        response = await client.get("/private/")
        assert response.hops == client.hops


async def test_a_page_from_the_cache_has_the_headers_of_django_s(serve):
    found = []
    for middleware in (CACHE, native(CACHE)):
        client = serve(HERE, middleware, CACHES={"default": LOCMEM})
        caches["default"].clear()
        pages = [await client.get("/view/") for _ in range(2)]
        found.append([(sorted(page.headers), page.headers["Cache-Control"]) for page in pages])
    theirs, ours = found
    assert ours == theirs
    assert "Age" in ours[1][0]


# Sites, flatpages, redirects: their apps have to be installed when Django starts

SITES = "django.contrib.sites.middleware.CurrentSiteMiddleware"


async def test_without_the_sites_app_the_request_s_host_is_the_site(both):
    response = await answers(both(SITES), "/at/")
    assert (response.content, response.hops) == (b"testserver", 0)


async def test_sites_flatpages_and_redirects_look_into_the_database_in_one_hop(tmp_path):
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-m", "tests.middleware.sites_project", tmp_path / "db.sqlite3"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == textwrap.dedent("""\
        /at/ 200 the site 1
        /at/ 200 the site 0
        flatpages.middleware.FlatpageFallback
        /view/ 200 here 0
        /flat/ 200 a flat page 1
        /flat 301 /flat/ 1
        /old/ 404 None 1
        /old 404 None 1
        /removed/ 404 None 1
        /nothing/ 404 None 1
        redirects.middleware.RedirectFallback
        /view/ 200 here 0
        /flat/ 404 None 1
        /flat 404 None 1
        /old/ 301 /new/ 1
        /old 301 /new/ 1
        /removed/ 410 None 1
        /nothing/ 404 None 1
        """)
