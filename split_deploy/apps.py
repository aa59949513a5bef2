from django.apps import AppConfig


class SplitDeployConfig(AppConfig):
    name = "split_deploy"
    verbose_name = "Split deploy"

    def ready(self) -> None:
        from split_deploy.checks import register_checks

        register_checks()
