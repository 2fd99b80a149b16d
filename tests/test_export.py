"""Export formats by name, and shell words that stand for exactly their bytes."""

from __future__ import annotations

import subprocess
import types

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rama_proxy.addon_files import load_addons
from rama_proxy.errors import ConfigError, ExportError
from rama_proxy.export import Exporters, is_plain_text, shell_print, shell_quote
from rama_proxy.hooks import Hooks
from rama_proxy.model.connection import ConnectionInfo
from rama_proxy.model.flow import Flow
from rama_proxy.model.message import Request


def flow() -> Flow:
    return Flow(ConnectionInfo("client"), Request.make("GET", "http://a.example/x"))


class Formats:
    def __init__(self, **exporters: object) -> None:
        self.exporters = exporters


def to_path(flow: Flow) -> str:
    return flow.request.path


def refuse(flow: Flow) -> str:
    raise ValueError(f"no {flow.request.method} here")


def fail(flow: Flow) -> str:
    raise KeyError("gone")


def test_formats_are_found_in_addons_the_last_one_wins() -> None:
    addons = [Formats(path=refuse, zebra=fail), object(), Formats(path=to_path)]
    for exporters in (Exporters.of(addons), Exporters(Hooks(addons).exporters())):
        assert exporters.names == ["path", "zebra"]
        assert exporters.export("path", flow()) == "/x"


def test_formats_are_found_in_the_list_of_a_script() -> None:
    script = types.ModuleType("script")
    vars(script)["addons"] = [Formats(path=to_path)]
    assert Exporters.of([script]).names == ["path"]
    assert sorted(Hooks([script]).exporters()) == ["path"]


def test_curl_comes_with_rama() -> None:
    exporters = Exporters.of(load_addons(["fingerprint", "curl"]))
    assert exporters.names == ["curl"]
    assert exporters.export("curl", flow()).startswith("curl 'http://a.example/x'")


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no export format is called 'har'; there are: curl"):
        Exporters({"curl": to_path}).export("har", flow())
    with pytest.raises(ConfigError, match="there are: none"):
        Exporters({}).export("curl", flow())


def test_what_an_exporter_cannot_do_is_said_with_the_flow() -> None:
    exporters = Exporters({"no": refuse, "bad": fail})
    wanted = flow()
    with pytest.raises(ExportError) as caught:
        exporters.export("no", wanted)
    assert str(caught.value) == f"flow {wanted.id} cannot be exported as no: no GET here"
    with pytest.raises(ExportError) as caught:
        exporters.export("bad", wanted)
    assert str(caught.value) == f"the exporter bad failed on flow {wanted.id}: KeyError: 'gone'"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "''"),
        (b"plain", "'plain'"),
        ("café".encode(), "'café'"),
        (b"it's", "'it'\\''s'"),
        (b"two\nlines\n", "'two\nlines\n'"),
        (b"\x1b[31m!", "\"$(printf '\\033[31m\\041')\""),
        (b"\xff\n\n", "\"$(printf '\\377')\"'\n\n'"),
        (b"-\x07", "\"$(printf '\\055\\007')\""),
        ("\u202egpj".encode(), "\"$(printf '\\342\\200\\256gpj')\""),
        ("caf\udcff", "\"$(printf 'caf\\377')\""),
    ],
)
def test_words_read_well_and_hide_nothing(data: bytes | str, word: str) -> None:
    assert shell_quote(data) == word


def test_no_argument_can_hold_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        shell_quote(b"a\0b")


@pytest.mark.parametrize(
    ("data", "plain"),
    [(b"a\nb", True), (b"", True), (b"\t", False), (b"\xff", False), (b"\x7f", False)],
)
def test_plain_text_is_what_cannot_act_on_a_terminal(data: bytes, plain: bool) -> None:
    assert is_plain_text(data) is plain


def printed(shell: str, commands: str) -> bytes:
    """What `shell` prints when it reads `commands`."""
    run = subprocess.run([shell], input=commands.encode(), capture_output=True, check=True)
    return run.stdout


BYTES = st.lists(
    st.one_of(st.sampled_from(list(b"'\"\\$`!%-\n\r\t;&|ab0")), st.integers(0, 255)), max_size=12
).map(bytes)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@given(parts=st.lists(BYTES, min_size=1, max_size=40))
@example(parts=[b"\n", b"\xff\n", b"-n", b"-\xff", b"%s\x01", b"\\\x01", b"!\x01", b"", b"a" * 300])
@example(parts=[bytes(range(256)), bytes(range(1, 256)) * 3])
@settings(max_examples=40, deadline=None)
def test_shells_make_of_a_word_what_was_quoted(shell: str, parts: list[bytes]) -> None:
    words = [part for part in parts if 0 not in part]
    commands = "".join(f"printf '%s\\0' {shell_quote(word)}\n" for word in words)
    assert printed(shell, commands) == b"".join(word + b"\0" for word in words)
    assert printed(shell, "\n".join(map(shell_print, parts))) == b"".join(parts)
