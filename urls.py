"""The URLs of the sync instance.

Add your own to the list; those of the async instance are in async_urls.py.
"""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from app import views

urlpatterns = [
    path("", views.home, name="home"),
    path("board/", views.board, name="board"),
    path("board/<int:pk>/delete/", views.delete_watched_url, name="delete-watched-url"),
    path("sync/", views.blocking, name="blocking"),
    path("sync/adapters/async_to_sync/", views.adapt_async_code, name="adapt-async-code"),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
