"""What a watched URL may look like: the form's early answer.

The guard itself is ``app.guarded_transport``.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from app.public_network import address_in_url, is_public, refusal


def validate_watched_url(url: str) -> None:
    """Refuse other schemes than http and https, credentials, and an address that is not public.

    Names are not looked up here: their answer can change until the check is made.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except (
        ValueError
    ) as error:  # what urlsplit() says of a port above 65535 or a broken IPv6 address
        raise ValidationError("Enter a valid URL.", code="invalid") from error
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValidationError("Only http and https URLs are watched.", code="scheme")
    if "@" in parts.netloc:
        raise ValidationError("Remove the user name and password from the URL.", code="credentials")
    address = address_in_url(host)
    if address is not None and not is_public(address) and not settings.WATCH_ALLOW_PRIVATE_TARGETS:
        raise ValidationError(refusal(host, address), code="private")
