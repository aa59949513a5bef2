"""Clients that leave, and tasks that are cancelled, at any moment; and what is left of them."""
