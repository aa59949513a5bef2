from split_deploy.wsgi import get_sync_application

application = get_sync_application()
