"""The sync side: home, board, login and admin."""

import pytest
from django.contrib.messages import get_messages
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse

from app.models import WatchedURL

BOARD = "/board/"


def texts(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_home_says_hello_and_names_its_instance(client):
    response = client.get("/")
    assert response.status_code == 200
    assert "Hello from the sync instance" in response.text


def test_home_links_to_the_views_of_both_instances(client):
    page = client.get("/").text
    for address in ("/sync/", "/async/", "/async/hello/", "/async/whoami/", BOARD):
        assert f'href="{address}"' in page


@pytest.mark.parametrize("path", ["/", "/sync/"])
def test_pages_that_change_nothing_refuse_post(client, path):
    response = client.post(path)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_everybody_sees_the_board(client, watched):
    page = client.get(BOARD).text
    assert watched.url in page
    assert "added by alice" in page


def test_without_a_login_the_board_offers_one_and_nothing_else(client, watched):
    page = client.get(BOARD).text
    assert 'href="/accounts/login/?next=/board/"' in page
    assert "data-check-url" not in page
    assert "board.js" not in page
    assert "Delete" not in page
    assert 'name="url"' not in page


def test_the_board_hands_the_address_of_the_other_instance_to_its_script(client, alice):
    client.force_login(alice)
    address = reverse("board-check", urlconf="async_urls")
    assert f'data-check-url="{address}"' in client.get(BOARD).text


def test_no_page_has_an_inline_script_or_style(client, alice, watched):
    """So that a Content-Security-Policy without 'unsafe-inline' fits."""
    client.force_login(alice)
    for path in ("/", BOARD):
        page = client.get(path).text
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_a_url_is_added_in_the_users_name(client, alice):
    client.force_login(alice)
    response = client.post(BOARD, {"url": "https://www.example.org"})
    assert (response.status_code, response["Location"]) == (302, BOARD)
    assert texts(response) == ["https://www.example.org/ is on the board."]
    assert WatchedURL.objects.get().owner == alice
    assert "https://www.example.org/ is on the board." in client.get(BOARD).text


def test_https_is_assumed_where_no_scheme_is_given(client, alice):
    client.force_login(alice)
    client.post(BOARD, {"url": "www.example.org"})
    assert WatchedURL.objects.get().url == "https://www.example.org/"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "This field is required."),
        ("nonsense", "Enter a valid URL."),
        ("http://2130706433/", "Enter a valid URL."),
        ("ftp://example.com/", "Only http and https URLs are watched."),
        ("http://10.0.0.1/", "10.0.0.1 is not a public address."),
        ("https://me:secret@example.com/", "Remove the user name and password from the URL."),
        ("https://www.example.com", "This URL is on the board already."),
    ],
)
def test_a_refused_url_is_explained_beside_the_field(client, alice, watched, url, message):
    client.force_login(alice)
    response = client.post(BOARD, {"url": url})
    assert response.status_code == 200
    assert message in response.text
    assert 'aria-invalid="true"' in response.text
    assert WatchedURL.objects.count() == 1


def test_two_who_add_the_same_url_at_once_get_no_error_page(client, alice, bob):
    """Bob's is saved between Alice's form's look at the database and its own save."""

    def be_faster(**kwargs):
        WatchedURL.objects.bulk_create([WatchedURL(url="https://www.example.org/", owner=bob)])

    pre_save.connect(be_faster, sender=WatchedURL)
    client.force_login(alice)
    try:
        response = client.post(BOARD, {"url": "https://www.example.org/"})
    finally:
        pre_save.disconnect(be_faster, sender=WatchedURL)
    assert response.status_code == 200
    assert "This URL is on the board already." in response.text


def test_adding_needs_a_login(client, db):
    response = client.post(BOARD, {"url": "https://www.example.org/"})
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/board/")
    assert not WatchedURL.objects.exists()


def test_deleting_needs_a_login(client, watched):
    response = client.post(f"/board/{watched.pk}/delete/")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/board/")
    assert WatchedURL.objects.exists()


@pytest.mark.parametrize("who", ["alice", "staff"])
def test_the_owner_and_staff_may_delete(client, watched, request, who):
    client.force_login(request.getfixturevalue(who))
    assert f'action="/board/{watched.pk}/delete/"' in client.get(BOARD).text
    response = client.post(f"/board/{watched.pk}/delete/")
    assert (response.status_code, response["Location"]) == (302, BOARD)
    assert texts(response) == ["https://www.example.com/ is off the board."]
    assert not WatchedURL.objects.exists()


def test_nobody_else_may_delete(client, watched, bob):
    client.force_login(bob)
    assert "Delete" not in client.get(BOARD).text
    assert client.post(f"/board/{watched.pk}/delete/").status_code == 403
    assert WatchedURL.objects.exists()


def test_deleting_what_is_gone_is_not_found(client, alice):
    client.force_login(alice)
    assert client.post("/board/1/delete/").status_code == 404


def test_a_get_deletes_nothing(client, watched, alice):
    client.force_login(alice)
    assert client.get(f"/board/{watched.pk}/delete/").status_code == 405
    assert WatchedURL.objects.exists()


def test_every_post_needs_a_csrf_token(watched, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    for path, data in (
        (BOARD, {"url": "https://www.example.org/"}),
        (f"/board/{watched.pk}/delete/", {}),
        ("/accounts/login/", {"username": "alice", "password": "correct horse"}),
        ("/accounts/logout/", {}),
    ):
        assert client.post(path, data).status_code == 403
    assert WatchedURL.objects.count() == 1

    client.get(BOARD)
    data = {
        "url": "https://www.example.org/",
        "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
    }
    assert client.post(BOARD, data).status_code == 302
    assert WatchedURL.objects.count() == 2


def test_a_url_cannot_break_out_of_the_page(client, alice):
    WatchedURL.objects.create(url='https://example.com/"><script>x</script>', owner=alice)
    assert "<script>x" not in client.get(BOARD).text


def test_the_board_takes_the_same_number_of_queries_however_long_it_is(
    client, alice, bob, django_assert_num_queries
):
    for number in range(10):
        owner = bob if number % 2 else alice
        WatchedURL.objects.create(url=f"https://{number}.example.com/", owner=owner)
    with django_assert_num_queries(1):
        client.get(BOARD)


def test_login_and_logout(client, alice):
    page = client.get("/accounts/login/?next=/board/").text
    assert 'name="next" value="/board/"' in page
    credentials = {"username": "alice", "password": "correct horse"}
    response = client.post("/accounts/login/", {**credentials, "next": BOARD})
    assert (response.status_code, response["Location"]) == (302, BOARD)
    assert "Log out alice" in client.get("/").text

    response = client.post("/accounts/logout/")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert "Log in" in client.get("/").text


def test_a_wrong_password_is_said_so(client, alice):
    response = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert response.status_code == 200
    assert "Please enter a correct username and password." in response.text


def test_the_login_does_not_redirect_to_another_site(client, alice):
    data = {"username": "alice", "password": "correct horse", "next": "https://evil.example/"}
    assert client.post("/accounts/login/", data)["Location"] == BOARD


def test_the_admin_lists_searches_and_adds(client, staff, watched):
    client.force_login(staff)
    page = client.get("/admin/app/watchedurl/", {"q": "alice"}).text
    assert watched.url in page
    assert watched.url not in client.get("/admin/app/watchedurl/", {"q": "nobody"}).text

    assert f'value="{staff.pk}" selected' in client.get("/admin/app/watchedurl/add/").text
    data = {"url": "HTTPS://www.example.NET", "owner": watched.owner_id}
    assert client.post("/admin/app/watchedurl/add/", data).status_code == 302
    assert WatchedURL.objects.filter(url="https://www.example.net/").exists()


def test_the_admin_refuses_what_the_board_refuses(client, staff):
    client.force_login(staff)
    data = {"url": "http://127.0.0.1/", "owner": staff.pk}
    response = client.post("/admin/app/watchedurl/add/", data)
    assert "is not a public address" in response.text


def test_the_admin_is_for_staff(client, alice):
    client.force_login(alice)
    assert client.get("/admin/app/watchedurl/").status_code == 302
