"""Answer some paths here: no server is asked, which need not even exist."""

import json

from rama_proxy import Flow, Response

ANSWERS: dict[str, tuple[int, object]] = {
    "/api/me": (200, {"name": "Ada", "admin": False}),
    "/api/login": (503, {"error": "try again later"}),
}


def requestheaders(flow: Flow) -> None:
    path = flow.request.path.partition("?")[0]
    if path in ANSWERS:
        status, value = ANSWERS[path]
        flow.response = Response.make(
            status, json.dumps(value), {"Content-Type": "application/json"}
        )
