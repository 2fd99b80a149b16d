"""The fingerprints of real peers, as they end up in the store."""

from __future__ import annotations

import pytest

from rama_addons import fingerprint
from rama_proxy.protocols.client_hello import ServerHello, parse_handshake
from tests.support.engine import Engine
from tests.support.peers import Nginx, curl


@pytest.mark.parametrize("absolute", [False, True], ids=["connect", "absolute-https"])
def test_both_sides_are_annotated_and_stored(engine: Engine, nginx: Nginx, absolute: bool) -> None:
    if absolute:  # the proxy opens TLS on its own, no client hello is seen
        target = ["--request-target", f"{nginx.https}/1k", engine.proxy, "-H", "Host:"]
        answer = curl(*target, "-H", f"Host: localhost:{nginx.https_port}")
    else:
        answer = curl("-x", engine.proxy, "--cacert", engine.ca, f"{nginx.https}/1k")
    assert (answer.exit_code, answer.status) == (0, 200), (answer.error, answer.body)
    (flow,) = engine.flows()
    assert flow.server is not None
    assert flow.server.tls is not None
    chosen = ServerHello.from_bytes(flow.server.tls.server_hello)
    assert fingerprint.ja3s_text(chosen).startswith("771,486")
    assert flow.server.annotations == {"ja3s": fingerprint.ja3s_name(chosen)}
    if absolute:
        assert flow.client.annotations == {}
        return
    assert flow.client.tls is not None
    hello = parse_handshake(flow.client.tls.client_hello)
    assert flow.client.annotations == {
        **fingerprint.ja3_names(hello),
        **fingerprint.ja4_names(hello),
    }
    assert flow.client.annotations["ja4"].startswith("t13d")
