from split_deploy.asgi import get_async_application

application = get_async_application()
