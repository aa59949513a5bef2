import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from app.models import WatchedURL


@pytest.mark.django_db
def test_the_migrations_are_up_to_date():
    call_command("makemigrations", "app", check=True, dry_run=True)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("HTTP://WWW.Example.COM:80", "http://www.example.com/"),
        ("https://example.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_a_url_is_spelled_one_way(alice, typed, stored):
    watched = WatchedURL(url=typed, owner=alice)
    watched.full_clean()
    assert watched.url == stored


def test_a_url_is_on_the_board_once_in_whatever_spelling(alice, bob):
    WatchedURL.objects.create(url="http://example.com/", owner=alice)
    with pytest.raises(ValidationError, match="on the board already"):
        WatchedURL(url="HTTP://EXAMPLE.com", owner=bob).full_clean()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "scheme"),
        ("https://user:password@example.com/", "credentials"),
        ("https://user@example.com/", "credentials"),
        ("http://example.com:99999/", "invalid"),
        ("javascript:alert(1)", "invalid"),
        ("http://127.0.0.1/", "private"),
        ("http://localhost:8000/", "private"),
        ("http://[::1]/", "private"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://169.254.169.254/", "private"),
    ],
)
def test_urls_that_are_refused(alice, url, code):
    with pytest.raises(ValidationError) as caught:
        WatchedURL(url=url, owner=alice).full_clean()
    assert code in {error.code for error in caught.value.error_dict["url"]}


def test_a_url_that_only_its_ascii_spelling_makes_too_long_is_refused(alice):
    """PostgreSQL would refuse it, with an error page."""
    with pytest.raises(ValidationError, match="more than 500 characters"):
        WatchedURL(url=f"https://example.com/{'ü' * 400}", owner=alice).full_clean()


def test_a_host_that_cannot_be_spelled_in_ascii_is_refused(alice):
    with pytest.raises(ValidationError, match="Enter a valid URL"):
        WatchedURL(url="http://①②⑦.example.com/", owner=alice).full_clean()


def test_private_addresses_are_accepted_where_the_setting_allows_them(alice, settings):
    settings.WATCH_ALLOW_PRIVATE_TARGETS = True
    WatchedURL(url="http://127.0.0.1:8000/", owner=alice).full_clean()


def test_the_refusal_of_a_private_address_names_the_setting(alice):
    with pytest.raises(ValidationError, match="WATCH_ALLOW_PRIVATE_TARGETS=1"):
        WatchedURL(url="http://127.0.0.1/", owner=alice).full_clean()


def test_a_url_names_itself_and_its_place_on_the_board(watched):
    assert str(watched) == "https://www.example.com/"
    assert watched.get_absolute_url() == f"/board/#url-{watched.pk}"
