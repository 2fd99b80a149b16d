"""Text for other programs: through the terminal (OSC 52), which works over ssh, or in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from textual.app import App

MAX_CLIPBOARD = 74_000  # bytes; in base64 100 kB, where xterm, tmux and kitty of old cut off


def put(app: App[int], what: str, text: str, suffix: str) -> str:
    """Give `text` to the clipboard, or to a file if it is too large; what was done, in a sentence.

    `what` names the text, `suffix` ends the file's name. Raises OSError.
    """
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= MAX_CLIPBOARD:
        app.copy_to_clipboard(data.decode("utf-8", "replace"))
        return f"{what} sent to the terminal's clipboard (OSC 52), {size_text(len(data))}"
    file, name = tempfile.mkstemp(prefix="rama-", suffix=suffix)
    with os.fdopen(file, "wb") as out:
        out.write(data)
    return (
        f"{what} is too large for a terminal's clipboard: {size_text(len(data))} written to "
        f"{Path(name)}"
    )


def size_text(size: int) -> str:
    """`1 byte`, `213 bytes`, `12.4 kB`."""
    if size < 10_000:
        return "1 byte" if size == 1 else f"{size:,} bytes"
    return f"{size / 1000:,.1f} kB"
