"""What a project has from elsewhere: synchronous, so Django adapts it."""


def synchronous(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["X-Third-Party"] = "yes"
        return response

    return middleware
