from typing import Final

#: ``manage.py check --tag split_deploy`` runs these checks alone.
TAG: Final = "split_deploy"
