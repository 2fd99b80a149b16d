"""The modes: what a client's connection is taken for. A new mode is a file and a line in MODES."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rama_proxy.modes import regular, reverse
from rama_proxy.modes.spec import ModeSpec
from rama_proxy.relay.wiring import Conn
from rama_proxy.service import Service

MODES: Mapping[str, Callable[[ModeSpec], Service[Conn]]] = {
    "regular": regular.make_service,
    "reverse": reverse.make_service,
}
