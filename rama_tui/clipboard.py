"""Text for other programs: through the terminal (OSC 52), which works over ssh, or in a file.

Whatever happens is told in a toast: what was copied, how much, and where it is.
"""

from __future__ import annotations

import os
import tempfile

from textual.widget import Widget

from rama_proxy.model.text import escape_text

MAX_CLIPBOARD = 74_000  # bytes, 100 kB in base64: terminals that limit OSC 52 cut off there


def put(widget: Widget, what: str, text: str, suffix: str = ".txt") -> None:
    """Give `text` to the clipboard, or to a file that ends in `suffix` if it is too large.

    `what` names the text in the toast.
    """
    data = text.encode("utf-8", "replace")
    size = f"{len(data):,} bytes" if len(data) != 1 else "1 byte"
    if len(data) <= MAX_CLIPBOARD:
        widget.app.copy_to_clipboard(data.decode())
        widget.notify(f"{what}: {size} sent to the terminal's clipboard (OSC 52)", markup=False)
        return
    try:
        name = _write(data, suffix)
    except OSError as error:
        complain(widget, f"{what} cannot be written: {error}")
        return
    message = f"{what}: {size} are too many for a terminal's clipboard, so they are in {name}"
    widget.notify(message, markup=False, timeout=15)


def _write(data: bytes, suffix: str) -> str:
    file, name = tempfile.mkstemp(prefix="rama-", suffix=suffix)  # readable by its owner only
    with os.fdopen(file, "wb") as out:
        out.write(data)
    return name


def say_nothing_to_copy(widget: Widget) -> None:
    """Tell that the cursor is nowhere."""
    widget.notify("there is no flow under the cursor", severity="warning", markup=False)


def complain(widget: Widget, message: str) -> None:
    """Tell that something went wrong."""
    widget.notify(escape_text(message), severity="error", markup=False, timeout=10)
