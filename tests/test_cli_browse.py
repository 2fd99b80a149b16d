"""`rama ls` and `rama show` as a person uses them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rama_proxy.cli import main
from rama_proxy.filters import parse_filter
from rama_proxy.model.flow import ACTIVE, DONE
from rama_proxy.store.writer import Writer
from tests.support.flows import make_flow, make_flows, make_store

FLOWS = 200


def rama(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What RAMA_CAPTURES names, with one store."""
    directory = tmp_path_factory.mktemp("home")
    (directory / "captures").mkdir()
    make_store(directory / "captures" / "one.db", FLOWS)
    return directory


@pytest.fixture
def store(captures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAMA_CAPTURES", str(captures))
    return captures / "captures" / "one.db"


def number_of(kind: str) -> int:
    """The first flow that fits."""
    selects = parse_filter(kind)
    return next(flow.id for flow in make_flows(FLOWS) if selects.matches(flow))


def test_ls_lists_the_newest_capture_in_columns(store: Path) -> None:
    result = rama("ls")
    assert result.exit_code == 0
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["ID", "TIME", "METHOD", "CODE", "SIZE", "MS", "URL"]
    assert len(lines) == FLOWS
    assert lines[0].split()[0] == "1"
    assert lines[0].endswith(make_flow(1).request.pretty_url)
    at = header.index("URL")
    assert all(line[at - 1] == " " != line[at] for line in lines)
    assert rama("ls", str(store)).stdout == result.stdout


def test_ls_takes_a_filter_with_and_without_a_file(store: Path) -> None:
    expected = [flow.id for flow in make_flows(FLOWS) if parse_filter("~c 201").matches(flow)]
    for arguments in (
        ("~c 201",),
        ("~c", "201"),
        (str(store), "~c 201"),
        (str(store), "~c", "201"),
    ):
        lines = rama("ls", *arguments).stdout.splitlines()[1:]
        assert [int(line.split()[0]) for line in lines] == expected


def test_ls_json_is_one_object_a_line(store: Path) -> None:
    result = rama("ls", "--json", "~all")
    entries = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["id"] for entry in entries] == list(range(1, FLOWS + 1))
    flow = make_flow(1)
    assert flow.response is not None
    assert entries[0]["url"] == flow.request.pretty_url
    assert entries[0]["resp_size"] == flow.response.body.size
    assert entries[0]["error"] is None


def test_errors_show_with_their_reason(store: Path) -> None:
    number = number_of("~e")
    line = next(line for line in rama("ls", "~e").stdout.splitlines() if f" {number} " in line[:6])
    assert line.endswith(f"({make_flow(number).error})")


@pytest.mark.parametrize("command", ["ls", "show", "show --json", "ls --json"])
def test_captured_text_cannot_steer_the_terminal(store: Path, command: str) -> None:
    number = number_of("~u owned")
    name, *options = command.split()
    arguments = [name, *options, *([str(number)] if name == "show" else ["~u owned"])]
    output = rama(*arguments).stdout
    assert "owned" in output
    assert not {letter for letter in output if letter != "\n" and not letter.isprintable()}


def test_show_tells_everything(store: Path) -> None:
    flow = make_flow(1)
    assert flow.response is not None
    output = rama("show", "1").stdout
    for text in (
        flow.request.pretty_url,
        "GET /v2/people?page=",
        "Host: api.example.com",
        "HTTP/1.1 200 OK",
        '"people": [',
        "TLSv1.3",
        "TLS_AES_256_GCM_SHA384",
        flow.client.annotations["ja4"],
        "example.com",
        "client TLS",
    ):
        assert text in output
    assert "\r" not in output


def test_show_and_ls_know_the_http2_fingerprint(tmp_path: Path) -> None:
    flow = make_flow(1)
    text = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
    flow.client.annotations |= {"h2fp": "52d84b11737d980aef856699f885ca86", "h2fp_text": text}
    path = str(make_store(tmp_path / "a.db", [flow, make_flow(9)]))
    output = rama("show", "1", path).stdout
    assert "h2fp             52d84b11737d980aef856699f885ca86\n" in output
    assert f"h2fp_text        {text}\n" in output
    entry = json.loads(rama("show", "--json", "1", path).stdout)
    assert entry["client"]["annotations"]["h2fp_text"] == text
    listed = rama("ls", "--json", path, "~h2fp ^52d84b11").stdout.splitlines()
    assert [json.loads(line)["id"] for line in listed] == [1]


def test_show_json_has_both_messages_and_connections(store: Path) -> None:
    entry = json.loads(rama("show", "--json", "1", str(store)).stdout)
    flow = make_flow(1)
    assert flow.response is not None
    assert entry["request"]["headers"] == [list(pair) for pair in flow.request.headers]
    assert json.loads(entry["response"]["text"]) == json.loads(flow.response.content)
    assert entry["client"]["annotations"] == flow.client.annotations
    assert entry["client"]["tls"]["sni"] == flow.request.host
    assert entry["total"] > entry["ttfb"] > 0


def test_raw_and_body_are_byte_for_byte(store: Path) -> None:
    number = number_of("~hs 'content-encoding: gzip'")
    flow = make_flow(number)
    assert flow.response is not None
    raw = rama("show", str(number), "--raw", "response").stdout_bytes
    assert raw == flow.response.raw + flow.response.raw_content
    assert rama("show", str(number), "--body", "response").stdout_bytes == flow.response.content
    assert rama("show", str(number), "--raw", "request").stdout_bytes == flow.request.raw
    assert rama("show", str(number), "--body", "request").stdout_bytes == b""


def test_an_image_is_dumped(store: Path) -> None:
    number = number_of("~ts image/png")
    assert "00000000  89 50 4e 47 0d 0a 1a 0a" in rama("show", str(number)).stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("show", "9999"), 1, "rama: there is no flow 9999 in {store}"),
        (("show", "1", "nowhere.db"), 1, "rama: cannot open nowhere.db: No such file or directory"),
        (("ls", "nowhere.db"), 1, "rama: cannot open nowhere.db: No such file or directory"),
        (("ls", "~dd x"), 2, "rama: there is no operator ~dd; did you mean ~d"),
        (("show", "x"), 2, "Invalid value for 'ID'"),
        (("show", "1", "--json", "--raw", "request"), 2, "--json, --raw and --body exclude"),
    ],
)
def test_mistakes_are_told(
    store: Path, arguments: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    result = rama(*arguments)
    assert result.exit_code == exit_code
    assert sentence.format(store=store) in result.stderr
    assert result.stdout == ""


def test_a_message_that_is_not_there_is_told(store: Path) -> None:
    number = number_of("!~tcp & !~http")
    result = rama("show", str(number), "--body", "response")
    assert (result.exit_code, result.stderr) == (1, f"rama: flow {number} has no response\n")


def test_no_capture_yet_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMA_CAPTURES", str(tmp_path))
    result = rama("ls")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"rama: no capture in {tmp_path}/captures yet")


def test_ls_follows_a_capture_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    writer = Writer(path, budget=1 << 26, on_problem=print)
    writer.open()
    writer.start()
    slow = make_flow(2)
    slow.state = ACTIVE
    for flow in (make_flow(1), slow):
        writer.put_flow(flow)
    assert writer.flush(10)
    command = [sys.executable, "-m", "rama_proxy", "ls", "-f", "--json", str(path), "!~marked"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["id"] == 1
        writer.put_flow(make_flow(3))
        assert json.loads(follower.stdout.readline())["id"] == 3
        slow.state = DONE
        writer.put_flow(slow)
        assert json.loads(follower.stdout.readline())["id"] == 2
        writer.edit(1, comment="not printed again")
        writer.put_flow(make_flow(4))
        assert json.loads(follower.stdout.readline())["id"] == 4
        writer.close()
        assert follower.stdout.read() == ""
        assert follower.wait(10) == 0


def on_a_terminal(*arguments: str) -> str:
    """What `rama` writes where standard output is a terminal."""
    main_end, other_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "rama_proxy", *arguments]
    with subprocess.Popen(command, stdout=other_end, stdin=other_end, env=environment) as child:
        os.close(other_end)
        output = b""
        try:
            while data := os.read(main_end, 65536):
                output += data
        except OSError:  # its end
            pass
        child.wait(10)
    os.close(main_end)
    return output.decode()


def test_colour_is_for_terminals_and_bytes_are_not(store: Path) -> None:
    assert "\x1b[" not in rama("ls").stdout
    assert "\x1b[32m 200\x1b[0m" in on_a_terminal("ls", str(store), "~c 200")
    number = number_of("~u owned")
    shown = on_a_terminal("show", str(number), str(store), "--body", "response")
    assert "\x1b" not in shown
    assert "␛[2J␛[31mred" in shown
