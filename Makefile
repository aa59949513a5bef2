# `make help` lists what there is. PYTHON=python3.13 picks the interpreter; the first that is new enough
# is the default.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VERSION := $(shell $(or $(PYTHON),false) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV ?= .venv
BIN := $(VENV)/bin
# A new interpreter or a new lock makes a new environment.
MADE := $(VENV)/.made-with-$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help run test django-suite lint check bench docs lock up down clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(MADE) ## start the instances and nginx: http://127.0.0.1:8000 (TOPOLOGY=split|mixed|uvicorn, SYNC_SERVER=granian, PORT, HOST, WEB_CONCURRENCY, RELOAD=1, NGINX)
	@exec $(BIN)/split-deploy run

test: $(MADE) ## run all tests (ARGS="-k routing" for some)
	@$(BIN)/python -m pytest $(ARGS)

django-suite: $(MADE) ## run Django's own tests on this package's handlers and middleware (ARGS=--help)
	@$(BIN)/python -m tests.django_suite $(ARGS)

lint: $(MADE) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DJANGO_ENV=test $(BIN)/mypy

check: $(MADE) ## Django's checks in each role, migrations, server and proxy configuration
	$(BIN)/split-deploy check --fail-level WARNING
	$(BIN)/split-deploy check --fail-level WARNING --topology mixed
	DJANGO_SETTINGS_MODULE=settings.sync_only $(BIN)/python manage.py check
	DJANGO_SETTINGS_MODULE=settings.async_only $(BIN)/python manage.py check
	DJANGO_SETTINGS_MODULE=settings.mixed $(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/gunicorn --check-config wsgi:application
	DJANGO_SETTINGS_MODULE=settings.mixed $(BIN)/gunicorn --check-config asgi:application
	$(BIN)/split-deploy nginx --check deploy/nginx.conf
	$(BIN)/split-deploy nginx --topology mixed --check deploy/nginx.mixed.conf
	$(BIN)/split-deploy nginx --target compose --check deploy/compose/nginx.conf
	$(BIN)/split-deploy nginx --target compose --topology mixed --check deploy/compose/nginx.mixed.conf
	$(BIN)/split-deploy nginx --target compose --topology uvicorn --check deploy/compose/nginx.uvicorn.conf

bench: $(MADE) ## measure every topology, side by side (QUICK=1: in two minutes; ARGS=--help)
	@exec $(BIN)/split-deploy bench benchmarks/bench.toml $(if $(QUICK),--quick) $(ARGS)

docs: $(MADE) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade
lock: $(MADE) ## renew requirements/ from pyproject.toml
	$(COMPILE) --group server --output-file requirements/server.txt
	$(COMPILE) --group development --constraints requirements/server.txt --output-file requirements/development.txt

up: ## run the production shape with Docker: docker compose up
	docker compose up --build

down: ## stop it, the other topologies too, and delete its data
	docker compose --profile '*' down --volumes

clean: ## delete what the other targets made, the SQLite database too
	rm -rf $(VENV) bench build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
	find var -mindepth 1 ! -name .gitignore -delete

$(MADE): requirements/development.txt
ifeq ($(VERSION),)
	@echo 'Python 3.11 or later is needed, and $(or $(PYTHON),python3) is none.' \
		'Install one, or name it: make PYTHON=/path/to/python3.13' >&2; exit 2
endif
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed; $(PYTHON) is $(VERSION).' >&2; exit 2; }
	@echo "Making $(VENV) with Python $(VERSION) from requirements/development.txt (once; takes a minute)."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
