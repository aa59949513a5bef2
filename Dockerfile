# One image for both instances and for `migrate`: docker-compose.yml says which command each runs.

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-trixie AS build

# The version is the one that made the locks: see requirements/development.txt.
COPY --from=ghcr.io/astral-sh/uv:0.13.8 /uv /usr/local/bin/

# The cache is another file system, to which there are no hard links. Bytecode is compiled here because
# nothing can be written where it runs.
ENV UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1 \
    UV_PYTHON_DOWNLOADS=never

# Only what the lock names, and only wheels: without compilers in any stage, a package that would have
# to be built is an error here. A change of the code alone doesn't run this step again.
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=requirements/server.txt,target=/tmp/server.txt \
    uv venv /opt/venv \
    && uv pip sync --python /opt/venv --require-hashes --no-build /tmp/server.txt

# Add a package of your own here and in .dockerignore.
WORKDIR /app
COPY app/ app/
COPY settings/ settings/
COPY split_deploy/ split_deploy/
COPY asgi.py async_urls.py gunicorn.conf.py manage.py mixed_urls.py urls.py wsgi.py ./

# A checkout made under a strict umask is readable by its owner alone, who isn't the user below.
RUN chmod -R a+rX,go-w . && /opt/venv/bin/python -m compileall -q .


FROM python:${PYTHON_VERSION}-slim-trixie

# A number, so that Kubernetes' runAsNonRoot and the owner of a volume mean the same on each host.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin app \
    # A new volume that is mounted here takes over the owner: `migrate` collects static files into it.
    && install --directory --owner app --group app /srv/static

# The environment and the code belong to root: what runs can't change itself.
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_STATIC_ROOT=/srv/static

WORKDIR /app
USER 10001:10001
EXPOSE 8000

# Gunicorn and Uvicorn finish what they have begun on SIGTERM; on SIGINT, Gunicorn would not.
STOPSIGNAL SIGTERM
