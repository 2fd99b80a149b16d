"""A script given to the real command: every hook is called, saving it loads it anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rama_proxy.hooks import HOOK_NAMES
from tests.support.certificates import TestAuthority
from tests.support.engine import Engine
from tests.support.peers import Nginx, curl, wait_for

EVERY_HOOK = """
from pathlib import Path

def note(name):
    with Path(__file__).with_name("calls.txt").open("a") as file:
        print(name, file=file)

def load(argument): note('load')
def running(): note('running')
def done(): note('done')
def client_connected(argument): note('client_connected')
def client_disconnected(argument): note('client_disconnected')
def server_connect(argument): note('server_connect')
def server_connected(argument): note('server_connected')
def server_connect_error(argument): note('server_connect_error')
def server_disconnected(argument): note('server_disconnected')
def tls_clienthello(argument): note('tls_clienthello')
def tls_established_server(argument): note('tls_established_server')
def http_connect(argument): note('http_connect')
def http2_start(argument): note('http2_start')
def requestheaders(argument): note('requestheaders')
def request(argument): note('request')
def responseheaders(argument): note('responseheaders')
def response(argument): note('response')
def websocket_start(argument): note('websocket_start')
def websocket_message(argument): note('websocket_message')
def websocket_end(argument): note('websocket_end')
def error(argument): note('error')
"""


def calls(folder: Path) -> list[str]:
    log = folder / "calls.txt"
    return log.read_text().split() if log.exists() else []


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_hooks_of_an_https_exchange_in_their_order(
    tmp_path: Path, ca: TestAuthority, nginx: Nginx, version: str
) -> None:
    origin, begins = nginx.https, []
    if version == "HTTP/2":
        origin, begins = nginx.https2, ["http2_start"]
    script = tmp_path / "all.py"
    script.write_text(EVERY_HOOK)
    with Engine(tmp_path, "--ssl-ca", str(ca.path), "-s", str(script)) as engine:
        answer = curl("-x", engine.proxy, "--cacert", engine.ca, f"{origin}/1k")
        assert answer.body == nginx.file("1k"), answer.error
        wait_for(lambda: "server_disconnected" in calls(tmp_path), "the end of the connection")
    assert set(re.findall(r"def (\w+)\(", EVERY_HOOK)) == {"note", *HOOK_NAMES}
    assert calls(tmp_path) == [
        "load",
        "running",
        "client_connected",
        "http_connect",
        "server_connect",
        "server_connected",
        "tls_clienthello",
        "tls_established_server",
        *begins,
        "requestheaders",
        "request",
        "responseheaders",
        "response",
        "client_disconnected",
        "server_disconnected",
        "done",
    ]


def test_saving_a_script_loads_it_anew_and_a_broken_one_changes_nothing(
    tmp_path: Path, ca: TestAuthority, nginx: Nginx
) -> None:
    def said() -> str:
        return curl("-x", engine.proxy, f"{nginx.http}/hello").body.decode()

    def answering(text: str) -> str:
        return (
            "from rama_proxy import Response\n"
            "def requestheaders(flow):\n"
            f"    flow.response = Response.make(200, {text!r})\n"
        )

    script = tmp_path / "changing.py"
    script.write_text(answering("one"))
    with Engine(tmp_path, "--ssl-ca", str(ca.path), "-s", str(script)) as engine:
        assert said() == "one"
        script.write_text(answering("two"))
        wait_for(lambda: said() == "two", "the script to be loaded anew")
        script.write_text(answering("three") + "oops\n")
        problem = f"{script}:4: NameError: name 'oops' is not defined"
        logged = "select message from log where level = 'error'"
        wait_for(lambda: engine.query(logged) == [(problem,)], "the problem in the log")
        assert said() == "two"


LOGGED = 'select 1 from logs where instr(message, "{}")'


@pytest.mark.parametrize("text", ["def request(flow\n", "import no_such_module\n"])
def test_a_script_that_does_not_load_at_the_start_ends_it_in_a_sentence(
    tmp_path: Path, text: str
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(text)
    with pytest.raises(pytest.fail.Exception, match=r"broken\.py:1: \w+Error"):
        Engine(tmp_path, "-s", str(script))
