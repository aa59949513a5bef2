"""A small API of django-modern-rest: sync controllers in one instance, async ones in the other.

A test copies it to a folder of its own and runs it there as the package ``rest_project``.
"""
