"""The request, whose headers are named only once."""

from typing import IO, Any, Final

from django.core.handlers.asgi import ASGIRequest

from split_deploy._asgi_types import Scope

#: The name in ``META`` of each header that came so far; ``None``: it is ignored. Clients choose the
#: names, so there is an end to it.
_names: dict[bytes, str | None] = {}
_MOST_NAMES: Final = 512


class NativeASGIRequest(ASGIRequest):
    """Django's ``ASGIRequest``, which is quicker to make. What is rare is left to Django."""

    def __init__(self, scope: Scope, body_file: IO[bytes]) -> None:
        meta = _meta_of(scope.get("headers", ()))
        if meta is None:
            super().__init__(scope, body_file)
            return
        super().__init__({**scope, "headers": ()}, body_file)
        self.scope = scope
        self.META.update(meta)
        if "CONTENT_TYPE" in meta:
            self._set_content_type_params(self.META)  # type: ignore[attr-defined]


def _meta_of(headers: Any) -> dict[str, str] | None:
    """What ``headers`` add to ``META``, or ``None`` if Django had better say.

    That is when a header came twice, which Django's versions don't join alike, nor do they agree on
    the end of a cookie; or if they can be gone through only once.
    """
    if not isinstance(headers, (list, tuple)):
        return None
    meta: dict[str, str] = {}
    for name, value in headers:
        try:
            meta_name = _names[name]
        except KeyError:
            meta_name = _name_of(name)
            if len(_names) < _MOST_NAMES:
                _names[bytes(name)] = meta_name
        if meta_name is None:
            continue
        if meta_name in meta:
            return None
        meta[meta_name] = value.decode("latin1")
    cookie = meta.get("HTTP_COOKIE")
    return None if cookie and cookie[-1] in "; " else meta


def _name_of(header: bytes) -> str | None:
    # As in ASGIRequest.__init__(), where it is done for each header of each request.
    name = header.decode("latin1")
    if "_" in name:
        return None
    if name in ("content-length", "content-type"):
        return name.upper().replace("-", "_")
    return "HTTP_" + name.upper().replace("-", "_")
