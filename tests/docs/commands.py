"""The commands of ``sh`` blocks: what runs each of them.

A command belongs into ``RUN_BY`` if anything can run it. ``BY_HAND`` is for what needs a host or an
operator; README.md may have none of those.
"""

from typing import Final

_CI: Final = ".ci/run"
_COMPOSE: Final = "tests/e2e/test_compose.py"
_MAKE: Final = "tests/e2e/test_make.py"
_TOPOLOGIES: Final = "tests/e2e/test_topologies.py"

#: The workloads that docs/choosing.md has bars for.
_BARS: Final = (
    "json",
    "json-async",
    "alone-read",
    "read-beside-outbound-64",
    "json-async-beside-burn",
)

#: command: a file and the pattern in it that shows that it runs the command.
RUN_BY: Final[dict[str, tuple[str, str]]] = {
    "make run": (_MAKE, r'\[shutil\.which\("make"\), "run"'),
    "make run SYNC_SERVER=granian": ("tests/e2e/test_granian.py", r'GRANIAN = \{"SYNC_SERVER"'),
    "make run TOPOLOGY=split": (_TOPOLOGIES, r'in \("mixed", "split", "mixed"\)'),
    "make run TOPOLOGY=mixed": (_TOPOLOGIES, r'MIXED = \{"TOPOLOGY": "mixed"'),
    "make run TOPOLOGY=uvicorn": (_TOPOLOGIES, r'UVICORN = \{"TOPOLOGY": "uvicorn"'),
    "DJANGO_SETTINGS_MODULE=settings.mixed gunicorn asgi:application -c gunicorn.conf.py": (
        _TOPOLOGIES,
        r'\("gunicorn", "asgi:application", "-c", "gunicorn\.conf\.py"\)',
    ),
    "DJANGO_SETTINGS_MODULE=settings.mixed uvicorn asgi:application --reload": (
        _TOPOLOGIES,
        r'\("uvicorn", "asgi:application", "--reload"',
    ),
    "split-deploy check": ("Makefile", r"split-deploy check --fail-level"),
    "split-deploy check --topology mixed": (
        "Makefile",
        r"split-deploy check --fail-level WARNING --topology mixed",
    ),
    "make run RELOAD=1": ("tests/e2e/test_run.py", r'RELOAD="1"'),
    "WATCH_ALLOW_PRIVATE_TARGETS=1 make run": (
        "tests/e2e/test_app.py",
        r'WATCH_ALLOW_PRIVATE_TARGETS="1"',
    ),
    "make test": (_CI, r"make test "),
    "make django-suite": (_CI, r"make django-suite "),
    "make lint": (_CI, r"make lint "),
    "make docs": (_CI, r"make docs "),
    ".venv/bin/python benchmarks/what_hops.py": (
        "tests/docs/test_what_hops.py",
        r'sys\.executable, "benchmarks/what_hops\.py"',
    ),
    "bash .ci/run": (".github/workflows/ci.yml", r"\.ci/run"),
    "docker compose up": (_COMPOSE, r'\.compose\("up", "--detach", "--build"'),
    "docker compose up --build": (_COMPOSE, r'\.compose\("up", "--detach", "--build"'),
    "docker compose up --build --detach": (_COMPOSE, r'\.compose\("up", "--detach", "--build"'),
    "docker compose --profile mixed up --build": (_COMPOSE, r'"--profile", profile, "up"'),
    "docker compose --profile uvicorn up --build": (_COMPOSE, r'"--profile", profile, "up"'),
    "docker compose down --volumes": (_COMPOSE, r'\.compose\("down", "--volumes"'),
    ".venv/bin/split-deploy nginx --prefix live/ --sync-upstream 127.0.0.1:8001 "
    "--async-upstream 127.0.0.1:8002": ("tests/docs/test_readme.py", "RUN_HERE"),
    "split-deploy nginx --check deploy/nginx.conf": (
        "Makefile",
        r"split-deploy nginx --check deploy/nginx\.conf",
    ),
    "DJANGO_SETTINGS_MODULE=settings.sync_only python manage.py check --deploy": (
        "tests/unit/test_settings.py",
        r'"check", "--deploy"',
    ),
    "DJANGO_SETTINGS_MODULE=settings.async_only python manage.py check --deploy": (
        "tests/unit/test_settings.py",
        r'"check", "--deploy"',
    ),
}

_OPERATOR = "changes a host, as root"
_MEASUREMENT = "takes minutes, on a machine with nothing else to do"

#: command: why no test runs it.
BY_HAND: Final[dict[str, str]] = {
    ".venv/bin/python manage.py createsuperuser": "asks; tests use its --noinput",
    "docker compose exec sync python manage.py createsuperuser": "asks; tests use its --noinput",
    "DIFFERENTIAL_EXAMPLES=2000 make test ARGS=tests/differential": "takes minutes",
    "make lock": "asks the package index, and changes the locks",
    "split-deploy nginx --output deploy/nginx.conf": "overwrites a shipped file",
    "split-deploy nginx --target compose --output deploy/compose/nginx.conf": "as above",
    "split-deploy nginx --topology mixed --output deploy/nginx.mixed.conf": "as above",
    "set -a; . deploy/granian/granian.env; set +a; granian wsgi:application --port 8001": (
        "serves until it is stopped; tests/e2e/test_granian.py starts what the unit does"
    ),
    "systemctl disable --now split-deploy-sync.socket split-deploy-sync": "changes a host, as root",
    "systemctl enable --now split-deploy-granian": "as above",
    "cp deploy/granian/split-deploy-granian.service /etc/systemd/system/": "as above",
    "cd /opt/split-deploy && .venv/bin/python -m split_deploy nginx --sync-server granian "
    "--sync-upstream unix:/run/split-deploy-granian/sync.sock --server-name www.example.org "
    "--output /etc/nginx/nginx.conf": "as above",
    "split-deploy nginx --target compose --sync-server granian --output "
    "deploy/compose/nginx.conf": "overwrites a shipped file",
    "docker compose -f docker-compose.yml -f deploy/granian/compose.yml up --build": (
        "needs an image with Granian; tests/e2e/test_granian.py reads the file"
    ),
    "make bench": "takes two hours; tests/bench run all parts of it",
    f'make bench ARGS="{" ".join(f"--only {name}" for name in _BARS)}"': (
        "takes half an hour; tests/bench run all parts of it"
    ),
    'make bench ARGS="--only read-beside-outbound-64"': "takes ten minutes; as above",
    'make bench ARGS="--only json --topology split --topology split-granian '
    "--topology asgi-uvicorn-worker --topology asgi-uvicorn --topology asgi-gunicorn "
    '--topology asgi-granian --rounds 8"': "takes seven minutes; as above",
    "make bench QUICK=1": "takes two minutes, and the machine to itself",
    'make bench ARGS="--compare bench/report.json other/report.json"': (
        "needs two reports; tests/bench/test_bench.py compares some"
    ),
    "split-deploy bench bench.toml": "for another project",
    ".venv/bin/python -m split_deploy.bench.report bench --only json-async "
    "--output readme-charts": "tests/bench/report/test_write.py calls it",
    "docker compose up --build nginx-mixed": "for an operator; tests/unit/test_compose.py reads it",
    "docker compose up --build nginx-uvicorn": "as above",
    "docker compose --profile '*' down --volumes": "as above",
    "split-deploy run --topology mixed --asgi mysite.asgi:application "
    "--mixed-settings mysite.settings_mixed": "for another project",
    "cd /opt/split-deploy && .venv/bin/python -m split_deploy nginx --topology mixed "
    "--server-name www.example.org --output /etc/nginx/nginx.conf": "changes a host, as root",
    "systemctl enable --now split-deploy-mixed.socket split-deploy-mixed": "as above",
    "split-deploy nginx --target compose --server-name example.com --trusted-proxy "
    "172.16.94.1/32 --trusted-proxy 172.16.94.129/32 --output deploy/compose/nginx.conf": (
        "as above; docker-compose.yml says the same: see test_reference.py"
    ),
    "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'": "prints a secret",
    "split-deploy run --wsgi mysite.wsgi:application --sync-settings mysite.settings_sync "
    "--asgi mysite.asgi:application --async-settings mysite.settings_async": (
        "for another project: tests/e2e/test_package.py runs it for one"
    ),
    "apt-get install nginx postgresql redis-server python3-venv": _OPERATOR,
    "useradd --system --home-dir /opt/split-deploy --shell /usr/sbin/nologin "
    "split-deploy": _OPERATOR,
    "install -d -o split-deploy -g split-deploy /srv/static": _OPERATOR,
    "python3 -m venv /opt/split-deploy/.venv": _OPERATOR,
    "/opt/split-deploy/.venv/bin/pip install --require-hashes -r "
    "/opt/split-deploy/requirements/server.txt": _OPERATOR,
    "sudo -u postgres createuser --pwprompt split_deploy": _OPERATOR,
    "sudo -u postgres createdb --owner=split_deploy split_deploy": _OPERATOR,
    "cd /opt/split-deploy && .venv/bin/python -m split_deploy nginx --server-name www.example.org "
    "--tls-certificate /etc/ssl/site.pem --tls-key /etc/ssl/site.key --output "
    "/etc/nginx/nginx.conf": _OPERATOR,
    "nginx -t": _OPERATOR,
    "cp /opt/split-deploy/deploy/systemd/* /etc/systemd/system/": _OPERATOR,
    **dict.fromkeys(
        (
            ".venv/bin/python benchmarks/async_json.py",
            ".venv/bin/python benchmarks/async_orm.py",
            ".venv/bin/python benchmarks/async_session.py",
            ".venv/bin/python benchmarks/endurance.py",
            ".venv/bin/python benchmarks/idle_streams.py --account",
            ".venv/bin/python benchmarks/nginx_unix_socket.py",
            ".venv/bin/python benchmarks/outbound.py",
            ".venv/bin/python benchmarks/outbound.py --view",
            ".venv/bin/python benchmarks/scheduling_groups.py",
            ".venv/bin/python benchmarks/what_helps.py async",
            ".venv/bin/python benchmarks/what_helps.py code --against ../before",
            ".venv/bin/python benchmarks/what_helps.py cores",
            ".venv/bin/python benchmarks/what_helps.py file",
            ".venv/bin/python benchmarks/what_helps.py own",
            ".venv/bin/python benchmarks/what_helps.py start",
            ".venv/bin/python benchmarks/what_helps.py sync",
        ),
        f"{_MEASUREMENT}; tests/benchmarks run them for a second",
    ),
    "git worktree add ../before \"$(git log --format=%H --grep='^A request costs less')^\"": (
        "for the measurement after it"
    ),
    "systemctl daemon-reload": _OPERATOR,
    "systemctl start split-deploy-migrate": _OPERATOR,
    "systemctl enable --now split-deploy-sync.socket split-deploy-async.socket split-deploy-sync "
    "split-deploy-async": _OPERATOR,
    "systemctl reload nginx": _OPERATOR,
    "systemctl restart split-deploy-sync split-deploy-async": _OPERATOR,
    "systemd-run --pty --wait --collect --uid=split-deploy --working-directory=/opt/split-deploy "
    "--property=EnvironmentFile=/etc/split-deploy.env "
    ".venv/bin/python manage.py createsuperuser": _OPERATOR,
}
