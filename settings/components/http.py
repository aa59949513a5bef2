from split_deploy.middleware import native

# Django's own middleware without their thread hops, and all as one call: docs/native-middleware.md.
MIDDLEWARE = native(
    [
        # These two go first: every response names its instance and its request id, and a health
        # probe is answered before the host check and the redirect to HTTPS, neither of which a
        # probe can pass.
        "split_deploy.middleware.InstanceMiddleware",
        "split_deploy.middleware.HealthMiddleware",
        # From here on split_deploy.context knows the request and its user, as do the logs.
        "split_deploy.middleware.ContextMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
)

# Used by `manage.py runserver` alone; Gunicorn and Uvicorn are told what to serve.
WSGI_APPLICATION = "wsgi.application"
