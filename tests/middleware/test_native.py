"""native(), and what all native middleware have in common."""

import pickle
import subprocess
import sys

import django
import pytest
from asgiref.sync import iscoroutinefunction
from django.core.checks import run_checks
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.middleware.common import CommonMiddleware as DjangoCommonMiddleware
from django.test import RequestFactory
from django.urls import path
from django.utils.module_loading import import_string

from split_deploy.inspection import inspect_middleware
from split_deploy.middleware import native
from split_deploy.middleware._names import NATIVE
from split_deploy.middleware._native import NativeMiddleware, chain, is_plain, sync_chain
from split_deploy.middleware.common import CommonMiddleware
from split_deploy.middleware.security import SecurityMiddleware
from tests.e2e.stack import ROOT, clean_environment
from tests.startproject import SEVEN

HERE = __name__
NEED_AN_APP = ("django.contrib.flatpages.", "django.contrib.redirects.")


OWN = {
    "Content-Length": "99",
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "sniff",
    "X-Frame-Options": "ALLOWALL",
}


async def view(request):
    return HttpResponse("here")


async def with_headers(request):
    return HttpResponse("here!", headers=OWN)


class OwnHeaders(HttpResponse):
    """Whose headers are kept in another way than Django's."""

    def __init__(self):
        super().__init__()
        self.headers = dict(self.headers.items())


async def own_headers(request):
    return OwnHeaders()


urlpatterns = [
    path("", view),
    path("with-headers/", with_headers),
    path("own-headers/", own_headers),
]


def test_django_s_are_replaced_and_the_others_stay_where_they_are():
    mine = ["shop.middleware.Timing", *SEVEN[:2], "split_deploy.middleware.HealthMiddleware"]

    assert native(mine) == [
        "shop.middleware.Timing",
        "split_deploy.middleware.security.SecurityMiddleware",
        "split_deploy.middleware.sessions.SessionMiddleware",
        "split_deploy.middleware.HealthMiddleware",
    ]


def test_what_has_no_equivalent_is_listed():
    assert native(["shop.middleware.Timing", *SEVEN]).without_native == ["shop.middleware.Timing"]
    assert native(SEVEN).without_native == []


def test_it_may_be_asked_twice():
    assert native(native(SEVEN)) == native(SEVEN)


def test_the_list_is_like_any_other_setting():
    made = pickle.loads(pickle.dumps(native([*SEVEN, "a.B"])))
    assert made == native([*SEVEN, "a.B"])
    assert made.without_native == ["a.B"]


def test_django_s_are_found_under_either_name():
    made = native([*SEVEN, "a.B"])

    for name in SEVEN:
        assert name in made
        assert NATIVE[name] in made
        assert made.index(name) == made.index(NATIVE[name]) == SEVEN.index(name)
    assert "django.middleware.gzip.GZipMiddleware" not in made
    assert 7 not in made
    made.remove(SEVEN[0])
    assert made[0] == NATIVE[SEVEN[1]]
    with pytest.raises(ValueError, match="not in list"):
        made.remove(SEVEN[0])


def test_they_are_when_more_is_added():
    before, after = ["a.B"], ["c.D"]
    added = before + native(SEVEN) + after

    assert added == ["a.B", *native(SEVEN), "c.D"]
    assert SEVEN[0] in added
    assert added.without_native == ["a.B", "c.D"]


def test_django_s_checks_for_deployment_see_that_it_is_there(settings):
    def found():
        return {
            message.id for message in run_checks(tags=["security"], include_deployment_checks=True)
        }

    settings.MIDDLEWARE = SEVEN
    wanted = found()
    settings.MIDDLEWARE = native(SEVEN)
    assert found() == wanted
    settings.MIDDLEWARE = native(SEVEN[1:])
    assert found() != wanted


def test_a_single_path_is_a_mistake():
    with pytest.raises(TypeError, match="takes the MIDDLEWARE setting"):
        native(SEVEN[0])


def test_a_settings_module_can_ask():
    """There are no settings yet, and no apps."""
    code = f"from split_deploy.middleware import native; print(native({SEVEN!r})[0])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["split_deploy.middleware.security.SecurityMiddleware"]


def test_csp_has_an_equivalent_where_django_has_the_middleware():
    assert any(path.endswith("ContentSecurityPolicyMiddleware") for path in NATIVE) == (
        django.VERSION >= (6,)
    )


@pytest.mark.parametrize("path", [path for path in NATIVE if not path.startswith(NEED_AN_APP)])
def test_each_is_a_subclass_of_django_s_with_its_name(path):
    ours, theirs = import_string(NATIVE[path]), import_string(path)

    assert issubclass(ours, theirs)
    assert ours.__name__ == theirs.__name__


@pytest.mark.parametrize("path", [path for path in NATIVE if not path.startswith(NEED_AN_APP)])
def test_the_inspection_finds_no_hop_in_it(path):
    (report,) = inspect_middleware("async", native([path]))

    assert (report.hops, report.native, report.equivalent) == (0, True, None)


@pytest.mark.parametrize("path", [path for path in NATIVE if not path.startswith(NEED_AN_APP)])
def test_in_sync_mode_it_has_django_s_hooks(path):
    middleware = import_string(NATIVE[path])(lambda request: None)

    assert not iscoroutinefunction(middleware)
    for hook in ("process_view", "process_exception", "process_template_response"):
        assert not iscoroutinefunction(getattr(middleware, hook, None))


@pytest.mark.parametrize(
    "name", ["csrf.CsrfViewMiddleware", "auth.LoginRequiredMiddleware", "admindocs.XViewMiddleware"]
)
def test_process_view_is_async_in_async_mode_so_no_handler_adapts_it(name):
    middleware = import_string(f"split_deploy.middleware.{name}")(view)

    assert iscoroutinefunction(middleware.process_view)


@pytest.mark.asyncio
async def test_the_seven_need_no_thread(serve):
    response = await serve(HERE, native(SEVEN)).get("/")

    assert response.content == b"here"
    assert response.hops == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("secure", [False, True])
async def test_the_seven_give_the_headers_that_django_s_give(serve, secure):
    options = {"SECURE_HSTS_SECONDS": 60, "SECURE_REFERRER_POLICY": "origin, same-origin"}
    theirs = await serve(HERE, SEVEN, **options).get("/", secure=secure)
    ours = await serve(HERE, native(SEVEN), **options).get("/", secure=secure)

    assert ours.headers.items() == theirs.headers.items()
    assert ("Strict-Transport-Security" in ours.headers) == secure
    assert theirs.hops == 13


@pytest.mark.asyncio
async def test_a_view_s_own_headers_stay(serve):
    response = await serve(HERE, native(SEVEN)).get("/with-headers/")
    assert {name: response.headers[name] for name in OWN} == OWN


# Subclasses of a project


class Refusing(CommonMiddleware):
    def process_request(self, request):
        if "refused" in request.GET:
            raise PermissionDenied
        if "answered" in request.GET:
            return HttpResponse("by process_request")
        return super().process_request(request)

    def process_response(self, request, response):
        response = super().process_response(request, response)
        response.headers["X-Own"] = "yes"
        return response


class Wrapping(CommonMiddleware):
    async def __acall__(self, request):
        response = await super().__acall__(request)
        response.headers["X-Wrapped"] = "yes"
        return response


@pytest.mark.asyncio
async def test_a_subclass_s_hooks_are_called_on_the_event_loop(serve):
    client = serve(HERE, [f"{HERE}.Refusing", f"{HERE}.Wrapping"])

    response = await client.get("/")
    assert response.headers["X-Own"] == response.headers["X-Wrapped"] == "yes"
    assert response.hops == 0
    response = await client.get("/?answered")
    assert (response.content, response.headers["X-Own"]) == (b"by process_request", "yes")
    assert "X-Wrapped" not in response.headers
    response = await client.get("/?refused")
    assert (response.status_code, "X-Own" in response.headers) == (403, False)


def test_a_subclass_is_served_by_the_sync_instance_too(settings):
    settings.ROOT_URLCONF = HERE
    response = Refusing(lambda request: HttpResponse())(RequestFactory().get("/"))
    assert response.headers["X-Own"] == "yes"


def test_it_refuses_to_wrap_nothing_as_django_s():
    with pytest.raises(ValueError, match="get_response must be provided"):
        CommonMiddleware(None)


class Later(SecurityMiddleware):
    """Which changes what Django's has read from the settings."""

    def __init__(self, get_response):
        super().__init__(get_response)
        self.referrer_policy = "no-referrer"


@pytest.mark.asyncio
async def test_what_a_subclass_sets_is_what_counts(serve):
    response = await serve(HERE, [f"{HERE}.Later"]).get("/")
    assert response.headers["Referrer-Policy"] == "no-referrer"


class SyncOnly(SecurityMiddleware):
    """Whose hooks block, so that it is adapted."""

    async_capable = False


@pytest.mark.asyncio
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_that_is_for_the_other_mode_is_adapted(serve, place):
    middleware = native([SEVEN[0], SEVEN[6]])
    middleware.insert(place, f"{HERE}.SyncOnly")
    response = await serve(HERE, middleware).get("/")
    assert (response.status_code, response.content) == (200, b"here")
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.asyncio
async def test_headers_are_set_however_they_are_kept(serve):
    response = await serve(HERE, native([SEVEN[0], SEVEN[6]])).get("/own-headers/")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"


# Several in a row, of which our handler makes one call


class Noting(NativeMiddleware):
    def __init__(self, get_response, name, notes, *, enter=None, leave=None):
        super().__init__(get_response)
        self.name, self.notes, self.on_enter, self.on_leave = name, notes, enter, leave

    def process_request(self, request):
        self.notes.append(f"+{self.name}")
        return self.on_enter and self.on_enter()

    def process_response(self, request, response):
        self.notes.append(f"-{self.name}")
        return response if self.on_leave is None else self.on_leave()


def fail():
    raise RuntimeError


def answer():
    return HttpResponse("an answer")


async def answer_later():
    return HttpResponse("an answer")


async def fail_later():
    raise RuntimeError


class UnanswerableError(Exception):
    """As with DEBUG_PROPAGATE_EXCEPTIONS."""


class UnanswerableHereError(Exception):
    """Whose page fails in its turn."""


def fail_for_all():
    raise UnanswerableError


def fail_twice():
    raise UnanswerableHereError


def response_to(request, error):
    if isinstance(error, UnanswerableError):
        raise error
    if isinstance(error, UnanswerableHereError):
        raise RuntimeError
    return HttpResponse(type(error).__name__)


async def aresponse_to(request, error):
    return response_to(request, error)


def aconverted(get_response):
    async def inner(request):
        try:
            return await get_response(request)
        except Exception as error:  # noqa: BLE001
            return response_to(request, error)

    return inner


def converted(get_response):
    def inner(request):
        try:
            return get_response(request)
        except Exception as error:  # noqa: BLE001
            return response_to(request, error)

    return inner


ROW_TO_B = "+a +b +c view -c -b"


def rows(view=None, *, is_async=True, **hooks):
    """Three in a row, the second of which has ``hooks``: one through the other, and chained."""
    convert = aconverted if is_async else converted
    for is_chained in (False, True):
        notes = []

        def get_response(request, notes=notes):
            notes.append("view")
            return view() if view else HttpResponse("here")

        async def aget_response(request, get_response=get_response):
            return get_response(request)

        inside = aget_response if is_async else get_response
        handler, row = inside, []
        for name in "cba":
            row.insert(0, Noting(handler, name, notes, **(hooks if name == "b" else {})))
            handler = convert(row[0])
        assert all(map(is_plain, row))
        if is_chained:
            handler = (
                chain(row, inside, aresponse_to)
                if is_async
                else sync_chain(row, inside, response_to)
            )
        yield handler, notes


IN_A_ROW = [
    ({}, "+a +b +c view -c -b -a", b"here"),
    ({"enter": answer}, "+a +b -b -a", b"an answer"),
    ({"enter": fail}, "+a +b -a", b"RuntimeError"),
    ({"leave": answer}, "+a +b +c view -c -b -a", b"an answer"),
    ({"leave": fail}, "+a +b +c view -c -b -a", b"RuntimeError"),
    ({"view": fail}, "+a +b +c view -b -a", b"RuntimeError"),
    ({"view": fail_twice}, "+a +b +c view -a", b"RuntimeError"),
    ({"enter": fail_twice}, "+a +b", b"RuntimeError"),
    ({"leave": fail_twice}, "+a +b +c view -c -b", b"RuntimeError"),
]
LATER_IN_A_ROW = [
    ({"enter": answer_later}, "+a +b -b -a", b"an answer"),
    ({"enter": fail_later}, "+a +b -a", b"RuntimeError"),
    ({"leave": answer_later}, "+a +b +c view -c -b -a", b"an answer"),
    ({"leave": fail_later}, "+a +b +c view -c -b -a", b"RuntimeError"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("hooks", "wanted", "content"), [*IN_A_ROW, *LATER_IN_A_ROW])
async def test_a_row_does_what_each_would_do_through_the_next(hooks, wanted, content):
    for handler, notes in rows(**hooks):
        response = await handler(RequestFactory().get("/"))
        assert " ".join(notes) == wanted
        assert response.content == content


@pytest.mark.parametrize(("hooks", "wanted", "content"), IN_A_ROW)
def test_a_row_in_sync_mode_does_too(hooks, wanted, content):
    for handler, notes in rows(is_async=False, **hooks):
        response = handler(RequestFactory().get("/"))
        assert " ".join(notes) == wanted
        assert response.content == content


UNANSWERABLE = [({"enter": fail_for_all}, "+a +b"), ({"leave": fail_for_all}, ROW_TO_B)]


@pytest.mark.asyncio
@pytest.mark.parametrize(("hooks", "wanted"), UNANSWERABLE)
async def test_what_can_not_be_answered_leaves_the_row(hooks, wanted):
    for handler, notes in rows(**hooks):
        with pytest.raises(UnanswerableError):
            await handler(RequestFactory().get("/"))
        assert " ".join(notes) == wanted


@pytest.mark.parametrize(("hooks", "wanted"), UNANSWERABLE)
def test_what_can_not_be_answered_leaves_a_row_in_sync_mode(hooks, wanted):
    for handler, notes in rows(is_async=False, **hooks):
        with pytest.raises(UnanswerableError):
            handler(RequestFactory().get("/"))
        assert " ".join(notes) == wanted


def test_what_wraps_a_request_in_its_own_way_is_in_no_row():
    async def get_response(request): ...

    assert is_plain(CommonMiddleware(get_response))
    assert is_plain(Refusing(get_response))
    assert not is_plain(Wrapping(get_response))
    assert not is_plain(DjangoCommonMiddleware(get_response))
    assert is_plain(CommonMiddleware(lambda request: None))
    # What it wraps is its __acall__(), which a sync instance has no use for.
    assert is_plain(Wrapping(lambda request: None))
