"""``{% load split_deploy %}``"""

from contextlib import suppress
from operator import attrgetter
from typing import Any

from django import template
from django.template import defaulttags
from django.template.base import Parser, Token
from django.template.context import Context
from django.urls import NoReverseMatch
from django.utils.html import conditional_escape

from split_deploy.reversing import reverse

register = template.Library()


class SplitURLNode(defaulttags.URLNode):
    """Django's node of ``{% url %}``, rendered with this package's ``reverse()``."""

    def render(self, context: Context) -> str:
        view_name = self.view_name.resolve(context)
        args = [arg.resolve(context) for arg in self.args]
        kwargs = {name: value.resolve(context) for name, value in self.kwargs.items()}
        url = ""
        try:
            url = reverse(view_name, args=args, kwargs=kwargs, current_app=_current_app(context))
        except NoReverseMatch:
            if self.asvar is None:
                raise
        if self.asvar is not None:
            context[self.asvar] = url
            return ""
        return conditional_escape(url) if context.autoescape else url


@register.tag
def split_url(parser: Parser, token: Token) -> SplitURLNode:
    """``{% url %}``, which also finds the URLs of the other instance.

    Takes what ``{% url %}`` takes: ``{% split_url "name" arg key=value as variable %}``.
    """
    node = defaulttags.url(parser, token)
    return SplitURLNode(node.view_name, node.args, node.kwargs, node.asvar)


def _current_app(context: Context) -> Any:
    for path in ("request.current_app", "request.resolver_match.namespace"):
        with suppress(AttributeError):
            return attrgetter(path)(context)
    return None
