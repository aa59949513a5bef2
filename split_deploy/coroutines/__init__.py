"""Blocking-first coroutines: ``async def`` whose code may block, with explicit async sections.

After the post "Coroutines for blocking code" in Django's forum,
https://forum.djangoproject.com/t/shock-content-coroutines-for-blocking-code/18615. All of it can be
imported from ``split_deploy``, where ``blocking_first`` is the decorator: hence the name of this
package.
"""

from split_deploy.coroutines.decorator import blocking_first
from split_deploy.coroutines.operations import Handle, Operations, parallel_ops
from split_deploy.coroutines.reading import read_body, read_uploaded_file
from split_deploy.coroutines.section import io

__all__ = [
    "Handle",
    "Operations",
    "blocking_first",
    "io",
    "parallel_ops",
    "read_body",
    "read_uploaded_file",
]
