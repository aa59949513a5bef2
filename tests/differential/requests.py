"""Random requests: what a browser, a script, or somebody with bad intentions sends."""

from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.differential.stacks import Request
from tests.startproject import SEVEN

_WORDS = st.text('abc ü"<%;,', max_size=12)
_NUMBERS = st.integers(-3, 30)


def _query(path: str, **values: st.SearchStrategy) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(values).map(lambda chosen: f"{path}?{urlencode(chosen)}")


_STOP = st.sampled_from(["", "request", "view", "exception", "response"])

PATHS = st.one_of(
    st.sampled_from(
        [
            *("/echo/", "/whoami/", "/whoami-sync/", "/logout/", "/messages/", "/form/", "/page/"),
            *("/session/get/", "/session/count/", "/session/cycle/", "/session/flush/"),
            *("/session/lost/", "/missing/", "/denied/", "/bad/", "/suspicious/", "/failing/"),
            *("/failing-sync/", "/large/", "/large/?etag", "/modified/", "/stream/", "/orm/"),
            *("/stream-sync/", "/file/", "/cached/", "/never/", "/framed/", "/only-post/"),
            *(
                "/form-sync/",
                "/de/local/",
                "/en/local/",
                "/local/",
                "/nowhere/",
                "/echo",
                "//echo/",
            ),
            *(
                "/de/local",
                "/status/204/",
                "/status/304/",
                "/status/404/",
                "/status/503/",
                "/\u00e4/",
            ),
        ]
    ),
    st.sampled_from(["ann", "bob", "eve"]).flatmap(
        lambda name: st.sampled_from([name, "wrong"]).map(
            lambda password: f"/login/?name={name}&password={password}"
        )
    ),
    _query("/session/set/", count=_NUMBERS, word=_WORDS),
    _query("/session/expiry/", seconds=_NUMBERS),
    _query("/messages/add/", text=_WORDS, level=st.sampled_from([10, 20, 40])),
    _query("/messages/add-sync/", text=_WORDS),
    _query("/cookies/", value=_WORDS),
    _query("/echo/", stop=_STOP, word=_WORDS),
    _query("/page/", stop=_STOP),
    _query("/failing/", stop=_STOP),
    _query("/cached/", number=st.integers(0, 2)),
)

_HEADERS = {
    "accept-language": ["de", "en", "fr, de;q=0.5", "xx", "*", "de-at,en;q=0.2"],
    "accept-encoding": ["gzip", "gzip, br", "identity"],
    "if-none-match": ['"fixed"', '"other"', "*"],
    "if-modified-since": ["Wed, 21 Oct 2015 07:28:00 GMT", "Tue, 20 Oct 2015 07:28:00 GMT", "x"],
    "referer": ["https://testserver/form/", "https://evil.example/", "http://testserver/", "x"],
    "origin": ["https://testserver", "http://testserver", "https://evil.example", "null"],
    "user-agent": ["Firefox", "Forbidden/1"],
    "host": ["testserver", "www.testserver", "evil.example", "testserver:8000"],
    "x-forwarded-proto": ["https", "http"],
    "remote-user": ["ann", "eve"],
    "cache-control": ["no-cache"],
    "cookie-of-others": ["a"],
}

_HEADER = st.sampled_from(sorted(_HEADERS)).flatmap(
    lambda name: st.sampled_from(_HEADERS[name]).map(lambda value: (name, value))
)

_MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n%b\r\n--b--\r\n"
)

#: A content type, and a body.
_BODIES = st.one_of(
    st.just(("", b"")),
    _WORDS.map(
        lambda text: ("application/x-www-form-urlencoded", urlencode({"field": text}).encode())
    ),
    st.binary(max_size=40).map(lambda data: ("application/octet-stream", data)),
    st.sampled_from([10, 3000, 20_000]).map(
        lambda size: ("multipart/form-data; boundary=b", _MULTIPART % (b"x" * size))
    ),
    st.just(("multipart/form-data", b"no boundary")),
    st.just(("application/json", b'{"a": 1}')),
    st.just(("application/x-www-form-urlencoded", b"field=" + b"x" * 20_000)),
)


@st.composite
def a_request(draw: st.DrawFn) -> Request:
    """A request of any kind."""
    method = draw(
        st.sampled_from(["GET"] * 6 + ["POST"] * 4 + ["HEAD", "PUT", "OPTIONS", "DELETE"])
    )
    headers = dict(draw(st.lists(_HEADER, max_size=3)))
    body, token = b"", ""
    if method in ("POST", "PUT", "DELETE"):
        content_type, body = draw(_BODIES)
        if content_type:
            headers["content-type"] = content_type
        token = draw(st.sampled_from(["", "right", "masked", "masked", "wrong", "short"]))
    return Request(
        method=method,
        path=draw(PATHS),
        headers=tuple(headers.items()),
        body=body,
        scheme=draw(st.sampled_from(["http", "http", "https"])),
        token=token,
        token_in=draw(st.sampled_from(["header", "form"])) if token else "header",
        forgets=tuple(
            draw(st.lists(st.sampled_from(["csrftoken", "sessionid"]), max_size=1))
            if draw(st.integers(0, 5)) == 0
            else ()
        ),
    )


def _language() -> st.SearchStrategy[Request]:
    return st.sampled_from(["de", "en", "xx"]).map(
        lambda code: Request(
            method="POST",
            path="/i18n/setlang/",
            headers=(("content-type", "application/x-www-form-urlencoded"),),
            body=f"language={code}&next=/echo/".encode(),
            token="right",
        )
    )


#: What somebody does on the site.
VISITS = st.lists(a_request() | _language(), min_size=1, max_size=8)

_THIRD = tuple(
    f"tests.differential.middleware.{name}"
    for name in ("synchronous", "both", "OnlyAsync", "Hooked")
)


@st.composite
def a_configuration(draw: st.DrawFn) -> dict[str, object]:
    """Settings, among them Django's own ``MIDDLEWARE``, with others between them."""
    middleware = list(SEVEN)
    if draw(st.booleans()):
        middleware.insert(2, "django.middleware.locale.LocaleMiddleware")
    if draw(st.booleans()):
        middleware.insert(1, "django.middleware.gzip.GZipMiddleware")
    if draw(st.booleans()):
        middleware.insert(0, "django.middleware.http.ConditionalGetMiddleware")
    if draw(st.booleans()):
        middleware.insert(0, "django.middleware.common.BrokenLinkEmailsMiddleware")
    login = draw(st.sampled_from(["", "", "LoginRequired", "RemoteUser", "PersistentRemoteUser"]))
    if login:
        place = middleware.index("django.contrib.messages.middleware.MessageMiddleware")
        middleware.insert(place, f"django.contrib.auth.middleware.{login}Middleware")
    if draw(st.booleans()):
        middleware.insert(0, "django.middleware.cache.UpdateCacheMiddleware")
        middleware.append("django.middleware.cache.FetchFromCacheMiddleware")
    for name in draw(st.lists(st.sampled_from(_THIRD), max_size=2, unique=True)):
        middleware.insert(draw(st.integers(0, len(middleware))), name)
    return {
        "MIDDLEWARE": middleware,
        "SESSION_ENGINE": "django.contrib.sessions.backends."
        + draw(st.sampled_from(["db", "db", "cached_db", "cache", "signed_cookies"])),
        "SESSION_SAVE_EVERY_REQUEST": draw(st.booleans()),
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": draw(st.booleans()),
        "MESSAGE_STORAGE": "django.contrib.messages.storage."
        + draw(
            st.sampled_from(
                ["fallback.FallbackStorage", "session.SessionStorage", "cookie.CookieStorage"]
            )
        ),
        "CSRF_USE_SESSIONS": draw(st.booleans()),
        "CSRF_TRUSTED_ORIGINS": draw(st.sampled_from([[], ["https://evil.example"]])),
        "SECURE_SSL_REDIRECT": draw(st.sampled_from([False, False, False, True])),
        "SECURE_HSTS_SECONDS": draw(st.sampled_from([0, 60])),
        "SECURE_PROXY_SSL_HEADER": draw(
            st.sampled_from([None, ("HTTP_X_FORWARDED_PROTO", "https")])
        ),
        "APPEND_SLASH": draw(st.booleans()),
        "PREPEND_WWW": draw(st.sampled_from([False, False, False, True])),
        "FILE_UPLOAD_MAX_MEMORY_SIZE": draw(st.sampled_from([2_500_000, 1000])),
        "DATA_UPLOAD_MAX_MEMORY_SIZE": draw(st.sampled_from([2_500_000, 2500])),
        "X_FRAME_OPTIONS": draw(st.sampled_from(["DENY", "SAMEORIGIN"])),
        "DEBUG": False,
    }
