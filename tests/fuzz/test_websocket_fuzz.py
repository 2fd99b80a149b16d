"""Generated WebSocket traffic: nothing crashes, what passes is what came, wsproto agrees."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import ParseFailed

from rama_proxy.errors import ProtocolError
from rama_proxy.model.websocket import CLOSE
from rama_proxy.protocols.websocket import parse_close, serialize_frame
from rama_proxy.protocols.websocket_deflate import Deflate, agreed_deflate, parse_extensions
from rama_proxy.protocols.websocket_reader import MessageReader
from tests.wire.test_websocket import wsproto_frames

# FUZZ_EXAMPLES=40000 looks for a minute or two.
LOOK = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

PAYLOADS = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=6).map(str.encode),
    st.binary(min_size=120, max_size=130),
)
OPCODES = st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3, 11])
FRAMES = st.builds(
    lambda opcode, payload, fin, rsv: (opcode, payload, fin, rsv),
    OPCODES,
    PAYLOADS,
    st.booleans() | st.just(True),
    st.sampled_from([0, 0, 0, 0, 4, 1]),
)


@st.composite
def wires(draw: st.DrawFn, masked: bool, whole: bool = False) -> bytes:
    """Frames, right in most places, and unless they are to be `whole` bytes of no sense behind."""
    mask = draw(st.binary(min_size=4, max_size=4)) if masked else b""
    wire = b""
    for opcode, payload, fin, rsv in draw(st.lists(FRAMES, max_size=6)):
        wire += serialize_frame(opcode, payload, mask=mask, fin=fin or opcode >= CLOSE, rsv=rsv)
        if whole and opcode == CLOSE:  # wsproto reads no further
            break
    return wire if whole else wire + draw(st.just(b"") | st.binary(max_size=12))


def collect(
    wire: bytes, *, masked: bool, step: int, deflate: Deflate | None = None
) -> tuple[list[tuple[int, bytes, int, int, str]], str]:
    reader = MessageReader(masked=masked, limit=128, deflate=deflate)
    passed, found = b"", []
    for start in range(0, len(wire), step):
        for part in reader.feed(wire[start : start + step]):
            passed += part.wire
            message = part.message
            if message is not None:
                assert len(message.data) == min(message.size, 128)
                item = (message.opcode, message.data, message.size, message.flags, message.problem)
                found.append(item)
    assert passed + reader.take_partial() == wire
    return found, reader.problem


@LOOK
@given(st.data(), st.booleans(), st.integers(1, 20))
def test_however_it_is_cut_the_messages_are_the_same(
    data: st.DataObject, masked: bool, step: int
) -> None:
    wire = data.draw(wires(masked))
    whole = collect(wire, masked=masked, step=1 << 20)
    assert collect(wire, masked=masked, step=step) == whole
    event(whole[1].partition(" ")[0] or "fine")


@LOOK
@given(st.data(), st.booleans(), st.integers(1, 20))
def test_compressed_or_not_nothing_crashes(data: st.DataObject, takeover: bool, step: int) -> None:
    wire = data.draw(wires(False))
    collect(wire, masked=False, step=step, deflate=Deflate(takeover, 15))


@LOOK
@given(st.data(), st.booleans())
def test_wsproto_finds_the_same_messages_or_a_fault_too(data: st.DataObject, masked: bool) -> None:
    wire = data.draw(wires(masked, whole=True))
    messages, problem = collect(wire, masked=masked, step=1 << 20)
    faults = [problem] if problem else []
    faults += [message[4] for message in messages if message[4]]
    faults += [_close_fault(message[1]) for message in messages if message[0] == CLOSE]
    refusal = ""
    try:
        frames = wsproto_frames(wire, masked=masked)
    except ParseFailed as error:
        refusal = str(error)
    if refusal:  # it judges text before its message is complete
        assert any(faults) or "utf-8" in refusal.lower()
        event("both refuse")
        return
    assert not any(faults)
    ends = sum(frame[2] for frame in frames)
    assert ends == len(messages)
    sizes = [message[2] for message in messages if message[0] != CLOSE]
    assert sum(sizes) <= sum(len(frame[1]) for frame in frames)
    event("both accept")


def _close_fault(payload: bytes) -> str:
    try:
        parse_close(payload)
    except ProtocolError as error:
        return str(error)
    return ""


@LOOK
@given(st.text(alphabet='abc-_;=," \t1é', max_size=30))
def test_extension_fields(value: str) -> None:
    try:
        for extension in parse_extensions(value):
            assert extension.name
            agreed_deflate(extension)
    except ProtocolError:
        event("refused")
