"""The lines above an opened flow: what failed, what the proxy had to change, what repeats it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from rama_proxy.content.grpc import call_result
from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text
from rama_tui.columns import REPLAY
from rama_tui.replaying import LoadAttempts, attempts_text


class FlowBanner(Static):
    """There only where it has something to say. `load_attempts` gives the replays of a flow."""

    DEFAULT_CSS = """
    FlowBanner { display: none; height: auto; max-height: 4; padding: 0 1; }
    """

    def __init__(self, load_attempts: LoadAttempts | None) -> None:
        super().__init__(markup=False)
        self._load_attempts = load_attempts

    def show_flow(self, flow: Flow | None) -> None:
        """Show what there is to say of `flow`."""
        lines = [] if flow is None else [*_troubles(flow), *self._replays(flow)]
        if lines or self.display:
            self.display = bool(lines)
            self.update(Content("\n").join(lines))

    def _replays(self, flow: Flow) -> list[Content]:
        """A line about what the flow repeats and what repeats it, if there is something."""
        if self._load_attempts is None:
            return []
        text = attempts_text(flow, self._load_attempts(flow))
        return [Content.assemble((REPLAY, "$text-accent"), " ", text)] if text else []


def _troubles(flow: Flow) -> list[Content]:
    """The flow's error, how a gRPC call failed, and notes, a line each."""
    signs = [("✗", "bold $text-error", flow.error)] if flow.error else []
    result = call_result(flow.response)
    if result is not None and result.code:
        signs.append(("✗", "bold $text-error", f"grpc {result}"))
    signs += [("·", "$text-warning", note) for note in flow.notes]
    return [
        Content.assemble((sign, style), " ", (escape_text(text), style.removeprefix("bold ")))
        for sign, style, text in signs
    ]
