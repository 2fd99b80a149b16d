"""What a filter can ask about a message inside a flow: the same language, operators of its own.

Its conditions are for the store's `messages m`; messages are not looked for in memory.
"""

from __future__ import annotations

from rama_proxy.filters.operator import Condition, Make, Operator, fact, regex
from rama_proxy.filters.ranges import Argument
from rama_proxy.filters.syntax import Filter, parse_filter
from rama_proxy.model.flow import Flow
from rama_proxy.model.websocket import (
    BINARY,
    CLOSE,
    DROPPED,
    EDITED,
    INCOMPLETE,
    INJECTED,
    PING,
    PONG,
    TEXT,
    TRUNCATED,
    UNREAD,
)

_FROM_CLIENT, _FROM_SERVER = "m.from_client", "NOT m.from_client"
_DATA = "rama_bytes(?, m.data)"


def parse_message_filter(text: str) -> Filter:
    """The filter that `text` says; empty text selects every message. Raises FilterError."""
    return parse_filter(text, MESSAGE_OPERATORS, _WORD)


def _not_in_memory(flow: Flow) -> bool:
    """The predicate that every Operator has; a flow does not hold its messages, the store does."""
    raise TypeError(f"a filter of messages was asked about flow {flow.id}")


def _is(sql: str) -> Make:
    return fact(_not_in_memory, "(" + sql + ")")


def _opcode(code: int) -> Make:
    return _is("m.opcode = " + str(code))


def _flag(flag: int) -> Make:
    return _is("(m.flags & " + str(flag) + ") != 0")


def _data(sql: str) -> Make:
    return regex(lambda pattern, flow: _not_in_memory(flow), "(" + sql + ")", of_bytes=True)


def _word(argument: Argument) -> Condition:
    """An arrow is a direction, as the list draws it; anything else is looked for."""
    directions = {">": _FROM_CLIENT, "→": _FROM_CLIENT, "<": _FROM_SERVER, "←": _FROM_SERVER}
    if argument.text in directions:
        return _is(directions[argument.text])(argument)
    return _data(_DATA)(argument)


_WORD = Operator("", "body regex", "what a message says", _word)
_ROWS = (
    Operator("q", "", "from the client; also >", _is(_FROM_CLIENT)),
    Operator("s", "", "from the server; also <", _is(_FROM_SERVER)),
    Operator("b", "body regex", "what a message says, as a word alone", _data(_DATA)),
    Operator("bq", "body regex", "what the client says", _data(_FROM_CLIENT + " AND " + _DATA)),
    Operator("bs", "body regex", "what the server says", _data(_FROM_SERVER + " AND " + _DATA)),
    Operator("text", "", "text", _opcode(TEXT)),
    Operator("binary", "", "binary", _opcode(BINARY)),
    Operator("ping", "", "a ping", _opcode(PING)),
    Operator("pong", "", "a pong", _opcode(PONG)),
    Operator("close", "", "a close frame", _opcode(CLOSE)),
    Operator("edited", "", "edited by an addon", _flag(EDITED)),
    Operator("dropped", "", "dropped by an addon", _flag(DROPPED)),
    Operator("injected", "", "sent by an addon", _flag(INJECTED)),
    Operator("truncated", "", "only the beginning was kept", _flag(TRUNCATED)),
    Operator("unread", "", "not decompressed", _flag(UNREAD)),
    Operator("broken", "", "broken off", _flag(INCOMPLETE)),
)

MESSAGE_OPERATORS: dict[str, Operator] = {operator.code: operator for operator in _ROWS}
