"""``python -m split_deploy``: the ``split-deploy`` command of the project in this folder."""

import sys

from split_deploy.cli import main

sys.exit(main())
