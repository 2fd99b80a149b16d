"""The language of the control socket: JSON objects, one a line.

A request is `{"token": …, "op": …, "id": n}` with the arguments of its operation, its answer
`{"id": n, "ok": true, …}` or `{"id": n, "ok": false, "error": "a sentence"}`. Who said hello also
gets notices, `{"notice": name, …}`. Knows nothing of sockets.
"""

from __future__ import annotations

import json

from rama_proxy.errors import ControlError

Message = dict[str, object]

MAX_LINE = 1024 * 1024  # bytes; an edited message does not come this way, a note does
HELLO = "hello"

OPERATIONS = {
    HELLO: "Check the token and get notices from here on.",
    "status": "What the engine does: addresses, flows, rates, backlog.",
    "shutdown": "Drain and stop; `drain` false stops at once.",
    "set": "Set option `name` to `value` while running.",
    "reload": "Load the addons and scripts again.",
    "run": "Do an addon's `command` with `arguments`; notices `progress` come meanwhile.",
    "note": "Mark or comment a flow: `flow`, `mark`, `comment`.",
}


def encode(message: Message) -> bytes:
    """The line of `message`. Raises ControlError if it is longer than a line may be."""
    line = json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise ControlError(f"a control message of {len(line)} bytes is longer than {MAX_LINE}")
    return line


def decode(line: bytes) -> Message:
    """The message on `line`. Raises ControlError for what is no JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("a control message that is not JSON") from error
    if not isinstance(message, dict):
        raise ControlError("a control message that is not a JSON object")
    return message


def request(token: str, op: str, number: int, arguments: Message) -> Message:
    """A request for operation `op`; its answer carries `number`."""
    return {**arguments, "token": token, "op": op, "id": number}


def answer(number: object, result: Message) -> Message:
    """The answer to request `number`."""
    return {**result, "id": number, "ok": True}


def refusal(number: object, error: str) -> Message:
    """The answer to a request that failed."""
    return {"id": number, "ok": False, "error": error}
