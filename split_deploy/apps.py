from django.apps import AppConfig


class SplitDeployConfig(AppConfig):
    name = "split_deploy"
    verbose_name = "Split deploy"
