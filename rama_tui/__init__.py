"""The terminal interface: reads the store, sends commands to the engine, owns no traffic."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.errors import RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text


def run_tui(
    options_argv: Sequence[str],
    file: Path | None,
    exporters: Mapping[str, Callable[[Flow], str]],
    schema: Schema | None = None,
) -> int:
    """Show the store `file`, or start an engine with these flags and show what it records.

    `schema` names the fields of Protocol Buffers.
    Gives the exit code. What cannot be opened or started is told on standard error, and no screen
    is opened.
    """
    from rama_tui.child import ChildEngine, engine_command

    child = ChildEngine(engine_command(options_argv)) if file is None else None
    session = None
    try:
        from rama_tui.app import RamaApp  # 0.4 s, while the child starts
        from rama_tui.session import Session

        path = file if child is None else child.wait_ready().store
        assert path is not None
        session = Session(path, child, schema)
        code = RamaApp(session, exporters).run() or 0
        if child is not None and code == 0 and (count := session.reader.count()):
            flows = "1 flow is" if count == 1 else f"{count:,} flows are"
            print(f"{flows} in {escape_text(str(path))}")
        return code
    except RamaError as error:
        print(f"rama: {escape_text(str(error))}", file=sys.stderr)
        return error.exit_code
    finally:
        if session is not None:
            session.close()
        if child is not None:
            child.stop(lambda: print("Exchanges under way may end…", file=sys.stderr))
