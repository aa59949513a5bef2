"""Both URLconfs, in the order in which nginx looks in front of two instances."""

from benchmarks._site import async_urls, sync_urls

urlpatterns = [*async_urls.urlpatterns, *sync_urls.urlpatterns]
