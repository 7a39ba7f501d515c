"""The addresses: OAuth below /o/, the pages of a login where Django's administration has them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("admin/", admin.site.urls),
]
