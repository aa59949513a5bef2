"""What takes a thread for itself, and so from the rest: sync views alone."""

import time

from django.http import HttpRequest, HttpResponse, JsonResponse


def burn(request: HttpRequest) -> HttpResponse:
    """Compute for ``?ms=`` of processor time, 50 by default, however many do."""
    end = time.thread_time() + float(request.GET.get("ms", "50")) / 1000
    rounds = 0
    while time.thread_time() < end:
        rounds += 1
        sum(number * number for number in range(1000))
    return JsonResponse({"rounds": rounds})


def block(request: HttpRequest) -> HttpResponse:
    """Wait for ``?ms=``, 100 by default, as for a slow query or file."""
    time.sleep(float(request.GET.get("ms", "100")) / 1000)
    return JsonResponse({"message": "waited"})
