"""`rama export`: formats of addons and scripts, and what is said when there is nothing to write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.peers import Nginx, clean_env, curl
from tests.support.shell import rama


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, nginx: Nginx) -> Path:
    """A store with one exchange: a form posted to nginx."""
    captures = tmp_path_factory.mktemp("data") / "captures"
    captures.mkdir()
    with Engine(captures) as engine:
        curl("-x", engine.proxy, "-d", "a=1&b=it's", f"{nginx.http}/1k?x=$(id)")
        engine.flows(1)
    return engine.store


def test_curl_sends_the_request_again(store: Path, nginx: Nginx) -> None:
    done = rama("export", "curl", "1", store)

    assert (done.returncode, done.stderr) == (0, "")
    before = nginx.requests()
    again = subprocess.run(
        ["sh"], input=done.stdout, capture_output=True, text=True, env=clean_env(), timeout=20
    )
    assert again.returncode == 0, (done.stdout, again.stderr)
    assert nginx.requests()[len(before) :] == ["POST /1k?x=$(id) HTTP/1.1"]


def test_the_newest_capture_is_taken_when_none_is_named(store: Path) -> None:
    done = rama("export", "curl", "1", RAMA_CAPTURES=str(store.parent.parent))

    assert done.stdout == rama("export", "curl", "1", store).stdout
    assert "/1k?x=" in done.stdout


def test_a_script_may_bring_a_format(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "line.py"
    script.write_text(
        "exporters = {'line': lambda flow: f'{flow.request.method} {flow.request.content!r}'}\n"
    )

    done = rama("export", "-s", script, "line", "1", store)

    assert (done.returncode, done.stdout) == (0, 'POST b"a=1&b=it\'s"\n')


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["curl", "7", "{store}"], 1, "rama: there is no flow 7 in {store}\n"),
        (["wget", "1", "{store}"], 2, "rama: no export format is called 'wget'; there are: curl\n"),
        (["curl", "1", "/nowhere/s.db"], 1, "rama: cannot open /nowhere/s.db: "),
        (["curl", "1"], 1, "rama: no capture in "),
        (["curl", "0", "{store}"], 2, "Invalid value for 'ID'"),
        (["curl", "one", "{store}"], 2, "Invalid value for 'ID'"),
    ],
)
def test_mistakes(store: Path, tmp_path: Path, arguments: list[str], code: int, error: str) -> None:
    words = [word.format(store=store) for word in arguments]

    done = rama("export", *words, RAMA_CAPTURES=str(tmp_path))

    assert (done.returncode, done.stdout) == (code, "")
    assert error.format(store=store) in done.stderr
    assert "Traceback" not in done.stderr
