"""Mark every request on its way out, and take a header out of every response."""

from rama_proxy import Flow

NAME, VALUE = "X-Debug-Session", "rama"
UNWANTED = "Strict-Transport-Security"


def requestheaders(flow: Flow) -> None:
    flow.request.headers[NAME] = VALUE


def responseheaders(flow: Flow) -> None:
    if flow.response is not None:
        flow.response.headers.remove(UNWANTED)
