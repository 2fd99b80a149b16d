"""Send what goes to one server to another, as an entry in /etc/hosts would, ports included.

The request is not touched: Host and the name in TLS stay, so the other server has to know them.
"""

from rama_proxy import ServerConnectData

MOVED = {
    ("api.example.com", 443): ("127.0.0.1", 8443),
    ("api.example.com", 80): ("127.0.0.1", 8000),
}


def server_connect(data: ServerConnectData) -> None:
    if data.server.address in MOVED:
        data.server.address = MOVED[data.server.address]
