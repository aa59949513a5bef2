from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "benchmarks._site"
    label = "benchmarks"
