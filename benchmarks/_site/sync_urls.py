from django.urls import path

from benchmarks._site import views

urlpatterns = [
    path("json/", views.json_sync),
    path("orm/", views.orm_sync),
    path("session/", views.session_sync),
    path("call/", views.call_sync),
]
