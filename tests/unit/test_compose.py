"""What docker-compose.yml and the Dockerfile promise, as far as their text tells."""

import ipaddress
import re

import pytest
import yaml

from split_deploy.conf import get_config
from tests.e2e.stack import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()

ONE_SHOT = {"check", "migrate"}
#: The services of each topology that has a profile, of which a plain `up` starts none.
PROFILES = {"mixed": {"mixed", "nginx-mixed"}, "uvicorn": {"uvicorn", "nginx-uvicorn"}}
NGINX = {
    "nginx": ("edge-sync", "edge-async"),
    "nginx-mixed": ("edge-async",),
    "nginx-uvicorn": ("edge-async",),
}
DJANGO = {"sync", "async", "mixed", "uvicorn", *ONE_SHOT}
INSTANCES = sorted(DJANGO - ONE_SHOT)
#: nginx and the network in which it and an instance are.
BEHIND = {
    "sync": ("nginx", "edge-sync"),
    "async": ("nginx", "edge-async"),
    "mixed": ("nginx-mixed", "edge-async"),
    "uvicorn": ("nginx-uvicorn", "edge-async"),
}
LONG_RUNNING = sorted(SERVICES.keys() - ONE_SHOT)


def interpolated(value: str, **env: str) -> str:
    """``value`` as Compose sees it when only ``env`` is set."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: env.get(m[1], m[2] or ""), value)


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_the_services_without_a_profile_are_those_of_the_production_shape():
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"nginx", "sync", "async", "postgres", "redis", "check", "migrate"}


def test_each_other_topology_has_a_profile_with_an_instance_and_an_nginx():
    assert SERVICES.keys() == plain_services() | set().union(*PROFILES.values())
    for profile, names in PROFILES.items():
        assert {name for name in SERVICES if SERVICES[name].get("profiles") == [profile]} == names


def test_a_topology_that_is_named_alone_needs_no_service_of_another():
    for profile, names in PROFILES.items():
        needed, more = set(), {f"nginx-{profile}"}
        while more:
            needed |= more
            more = {need for name in more for need in SERVICES[name].get("depends_on", ())} - needed
        assert needed == names | {"postgres", "redis", "check", "migrate"}


def test_make_down_stops_what_has_a_profile_too():
    """Plain ``down`` leaves those containers running, without their database."""
    recipe = (ROOT / "Makefile").read_text().split("\ndown: ")[1].split("\n\n")[0]
    assert "docker compose --profile '*' down --volumes" in recipe


def test_what_runs_under_asgi_has_the_settings_of_its_topology():
    for name in ("mixed", "uvicorn"):
        assert SERVICES[name]["environment"]["DJANGO_SETTINGS_MODULE"] == "settings.mixed"
    assert SERVICES["mixed"]["command"] == ["gunicorn", "asgi:application"]
    assert SERVICES["uvicorn"]["command"] == ["uvicorn", "asgi:application"]


def test_the_topologies_have_the_same_variables_but_for_their_servers_own():
    """So that the word that is changed is the only one."""
    servers = re.compile(r"GUNICORN_|UVICORN_|WEB_CONCURRENCY$")
    of = {
        name: {key for key in SERVICES[name]["environment"] if not servers.match(key)}
        for name in ("async", "mixed", "uvicorn")
    }
    assert of["async"] == of["mixed"] == of["uvicorn"]


def plain_services() -> set[str]:
    return {name for name, service in SERVICES.items() if "profiles" not in service}


def test_nginx_alone_publishes_a_port_and_by_default_to_this_machine():
    published = {
        name: [interpolated(port) for port in service["ports"]]
        for name, service in SERVICES.items()
        if "ports" in service
    }
    assert published == {
        "nginx": ["127.0.0.1:8000:8080"],
        "nginx-mixed": ["127.0.0.1:8001:8080"],
        "nginx-uvicorn": ["127.0.0.1:8002:8080"],
    }


@pytest.mark.parametrize("name", NGINX)
def test_each_nginx_has_the_configuration_of_its_topology(name):
    (mounted,) = [v for v in SERVICES[name]["volumes"] if "nginx.conf:ro" in v]
    file, container, mode = mounted.split(":")
    assert (container, mode) == ("/etc/nginx/nginx.conf", "ro")
    text = (ROOT / file).read_text()
    asked = {
        SERVICES[name]["depends_on"][each]["condition"] for each in SERVICES[name]["depends_on"]
    }
    assert asked == {"service_healthy"}
    upstreams = set(re.findall(r"server (\w+):8000 ", text))
    assert upstreams == set(SERVICES[name]["depends_on"])


def test_no_two_of_nginx_have_the_same_address():
    given = [
        network["ipv4_address"] for name in NGINX for network in SERVICES[name]["networks"].values()
    ]
    assert len(given) == len(set(given)) == 4


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_read_only_and_has_no_capability(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_as_another_user_than_root(name):
    if name in DJANGO:
        assert "user" not in SERVICES[name]
        # The last one counts.
        user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, for runAsNonRoot"
    else:
        assert SERVICES[name]["user"].split(":")[0] not in {"0", "root"}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_is_probed_and_restarted(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert seconds(service["healthcheck"]["timeout"]) <= seconds(service["healthcheck"]["interval"])


def test_instances_are_probed_for_liveness():
    paths = dict.fromkeys(("sync", "mixed", "uvicorn"), "/healthz/")
    for name, path in (paths | {"async": "/async/healthz/"}).items():
        *python, code, probed = SERVICES[name]["healthcheck"]["test"]
        assert python == ["CMD", "python", "-c"]
        compile(code, "x-probe", "exec")
        assert probed == path


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_what_runs_once_is_not_restarted(name):
    assert SERVICES[name]["restart"] == "no"


@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_waits_for_the_migrations_and_for_what_it_needs(name):
    assert SERVICES[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_nothing_starts_before_the_settings_are_checked(name):
    checked = {"check": {"condition": "service_completed_successfully"}}
    assert SERVICES[name]["depends_on"] == checked


@pytest.mark.parametrize("name", [*INSTANCES, *NGINX])
def test_static_files_are_read_only_for_all_but_migrate(name):
    assert "static:/srv/static:ro" in SERVICES[name]["volumes"]
    assert "static:/srv/static" in SERVICES["migrate"]["volumes"]


def test_postgres_and_redis_are_in_the_internal_network_alone():
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["data"]
    for name, networks in NGINX.items():
        assert tuple(SERVICES[name]["networks"]) == networks


@pytest.mark.parametrize("prefix", ["172.16.94", "10.1.2"])
@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_trusts_the_forwarded_headers_of_nginx_alone(name, prefix):
    nginx, network = BEHIND[name]
    given = SERVICES[nginx]["networks"][network]["ipv4_address"]
    assert network in SERVICES[name]["networks"]
    trusted = SERVICES[name]["environment"]["FORWARDED_ALLOW_IPS"]
    address = ipaddress.ip_address(interpolated(trusted, EDGE_NETWORK=prefix))
    (pool,) = (
        {key: interpolated(value, EDGE_NETWORK=prefix) for key, value in config.items()}
        for config in COMPOSE["networks"][network]["ipam"]["config"]
    )

    assert trusted == given
    assert address in ipaddress.ip_network(pool["subnet"])
    assert ipaddress.ip_address(pool["gateway"]) in ipaddress.ip_network(pool["subnet"])
    # Docker gives the instances addresses from here: none of them must be nginx's.
    assert address not in ipaddress.ip_network(pool["ip_range"])


def test_a_container_is_killed_only_after_its_server_has_given_up():
    sync, async_ = (SERVICES[name]["environment"] for name in ("sync", "async"))
    drain = get_config().drain_timeout
    nginx_conf = (ROOT / "deploy" / "compose" / "nginx.conf").read_text()
    (streams,) = re.findall(r"^worker_shutdown_timeout (\d+)s;", nginx_conf, re.MULTILINE)
    needed = {
        "sync": int(sync["GUNICORN_GRACEFUL_TIMEOUT"]),
        "async": int(async_["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) + drain,
        "uvicorn": int(async_["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) + drain,
        "mixed": int(SERVICES["mixed"]["environment"]["GUNICORN_GRACEFUL_TIMEOUT"]),
        **dict.fromkeys(NGINX, int(streams)),
    }
    for name, time in needed.items():
        assert seconds(SERVICES[name]["stop_grace_period"]) > time, name


def test_the_servers_keep_idle_connections_for_longer_than_nginx():
    nginx_conf = (ROOT / "deploy" / "compose" / "nginx.conf").read_text()
    idle = re.findall(r"upstream \w+ \{.*?keepalive_timeout (\d+)s;.*?\}", nginx_conf, re.DOTALL)
    assert len(idle) == 2
    longest = max(map(int, idle))
    assert int(SERVICES["sync"]["environment"]["GUNICORN_KEEPALIVE"]) > longest
    for name in ("async", "uvicorn"):
        assert int(SERVICES[name]["environment"]["UVICORN_TIMEOUT_KEEP_ALIVE"]) > longest
    assert int(SERVICES["mixed"]["environment"]["GUNICORN_KEEPALIVE"]) > longest


def test_images_are_pinned():
    images = {name: SERVICES[name]["image"] for name in SERVICES.keys() - DJANGO}
    assert images["nginx"] == "nginx:1.30"
    for image in images.values():
        assert re.search(r":\d", image), image


def test_the_first_try_has_the_password_that_production_refuses():
    environment = SERVICES["postgres"]["environment"]
    assert interpolated(environment["POSTGRES_PASSWORD"]).startswith("insecure")
    url = SERVICES["sync"]["environment"]["DATABASE_URL"]
    assert ":insecure" in interpolated(url)
    assert ":real@" in interpolated(url, POSTGRES_PASSWORD="real")


def documented() -> set[str]:
    example = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))


def passed_on() -> set[str]:
    """Variables without a value in the file: those of whoever runs Compose."""
    environments = (service.get("environment", {}) for service in SERVICES.values())
    return {name for each in environments for name, value in each.items() if value is None}


def test_each_variable_of_compose_is_documented():
    composes_own = {"COMPOSE_PROJECT_NAME"}
    used = set(re.findall(r"\$\{(\w+)", TEXT)) | passed_on()
    assert used - composes_own - documented() == set()


def test_each_variable_of_django_and_gunicorn_reaches_the_sync_instance():
    read = re.compile(r"(CACHE|DATABASE|DJANGO|GUNICORN|TUTORIAL|WATCH)_")
    set_in_the_image = set(re.findall(r"^\s+(DJANGO_\w+)=", DOCKERFILE, re.MULTILINE))
    reaches = SERVICES["sync"]["environment"].keys() | set_in_the_image
    assert {name for name in documented() if read.match(name)} - reaches == set()


def test_the_image_is_built_with_the_uv_that_made_the_locks():
    locks = (ROOT / "requirements" / "development.txt").read_text()
    (locked,) = re.findall(r"^uv==(\S+)", locks, re.MULTILINE)
    (used,) = re.findall(r"^COPY --from=ghcr\.io/astral-sh/uv:(\S+) ", DOCKERFILE, re.MULTILINE)
    assert used == locked


def test_the_image_installs_the_servers_lock_with_its_hashes():
    (install,) = re.findall(r"uv pip .*", DOCKERFILE)
    assert "--require-hashes" in install
    assert "source=requirements/server.txt,target=/tmp/server.txt" in DOCKERFILE
    assert install.endswith("/tmp/server.txt")


def test_the_build_context_is_what_the_image_copies():
    ignored, *allowed = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith(("#", "**"))
    ]
    assert ignored == "*"
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = {source.rstrip("/") for line in copies for source in line.split()}
    mounted = set(re.findall(r"type=bind,source=([^,\s]+)", DOCKERFILE))

    assert {name.removeprefix("!") for name in allowed} == copied | mounted
    assert [name for name in copied | mounted if not (ROOT / name).exists()] == []


def test_all_that_both_instances_import_is_in_the_image():
    """A module at the top level that the Dockerfile forgets is an ImportError in the container."""
    names = {path.name for path in ROOT.glob("*.py")}
    (copied,) = re.findall(r"^COPY (.+\.py) \./$", DOCKERFILE, re.MULTILINE)
    assert set(copied.split()) == names
