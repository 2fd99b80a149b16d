"""Refuse what goes to some hosts, in the clear and through CONNECT; the list shows who asked."""

from fnmatch import fnmatchcase

from rama_proxy import Flow, Response

BLOCKED = ("*.doubleclick.net", "*.google-analytics.com", "telemetry.*")


def requestheaders(flow: Flow) -> None:
    host = flow.request.host.lower()
    if any(fnmatchcase(host, pattern) for pattern in BLOCKED):
        flow.tags.add("blocked")
        flow.response = Response.make(403, f"{host} is blocked by block_hosts.py\n")


def http_connect(flow: Flow) -> None:
    requestheaders(flow)
