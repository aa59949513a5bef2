"""The nginx configuration that routes to the instances: its options, and its rendering."""

from split_deploy.nginx.proxy import ANY_HOST, Proxy
from split_deploy.nginx.render import mime_types, render

__all__ = ["ANY_HOST", "Proxy", "mime_types", "render"]
