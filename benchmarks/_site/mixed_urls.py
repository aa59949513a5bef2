"""Both URLconfs, for the ways that have one instance."""

from benchmarks._site import async_urls, sync_urls

urlpatterns = [*sync_urls.urlpatterns, *async_urls.urlpatterns]
