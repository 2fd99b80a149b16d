"""What the request's and the response's panes have in common: a title, lines, ways to see them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from rama_tui.widgets.body_view import TextLines
from rama_tui.widgets.lines_view import LinesView


class SideView(Vertical):
    """One side of an exchange. `mode` is how it is shown; a change is told by `ViewChanged`."""

    DEFAULT_CSS = """
    SideView {
        height: 1fr;
        & > .side--title {
            height: 1;
            padding: 0 1;
            background: $panel;
            color: $text-muted;
            & > .side--what { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
            & > .side--modes { width: auto; padding: 0 0 0 2; }
        }
        & > LinesView { padding: 0 0 0 1; }
        &:focus-within > .side--title {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v",
            "next_view",
            "View",
            tooltip="Show the body formatted, as sent, or as bytes.",
            id="detail.view",
        ),
        Binding(
            "w",
            "toggle_wrap",
            "Wrap",
            tooltip="Break long lines of the body at the edge, or not.",
            id="detail.wrap",
        ),
    ]
    MODES: ClassVar[tuple[str, ...]] = ("raw", "hex")

    class ViewChanged(Message):
        """The content is wanted in another way."""

    def __init__(self, side: str, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.side = side
        self.mode = self.MODES[0]
        self.wrap = False

    def compose(self) -> ComposeResult:
        """A title and the lines."""
        with Horizontal(classes="side--title"):
            yield Static(self.side.capitalize(), classes="side--what", markup=False)
            yield Static(" ".join(self.MODES), classes="side--modes", markup=False)
        yield LinesView()

    @property
    def lines(self) -> LinesView:
        """The part that scrolls and has the focus."""
        return self.query_one(LinesView)

    def show_title(self, text: str, *, modes: bool = True) -> None:
        """Say what is shown, and which of the modes if there are; `text` is safe to draw."""
        side = Content.styled(self.side.capitalize(), "bold")
        self.query_one(".side--what", Static).update(
            Content.assemble(side, "  ", text), layout=False
        )
        names = [
            Content.styled(mode, "bold underline") if mode == self.mode else Content(mode)
            for mode in self.MODES
        ]
        shown = self.query_one(".side--modes", Static)
        shown.update(Content(" ").join(names), layout=False)
        shown.display = modes

    def wrapping(self) -> list[TextLines]:
        """The texts that can be wrapped."""
        return []

    def action_next_view(self) -> None:
        """The next way to see it, and around."""
        self.mode = self.MODES[(self.MODES.index(self.mode) + 1) % len(self.MODES)]
        self.post_message(self.ViewChanged())

    def on_click(self, event: Click) -> None:
        """A click on the names of the modes takes the next one."""
        if event.widget is not None and event.widget.has_class("side--modes"):
            self.action_next_view()

    def action_toggle_wrap(self) -> None:
        """Break long lines, or do not."""
        self.wrap = not self.wrap
        for text in self.wrapping():
            text.wrap = self.wrap
            if self.wrap and not text.can_wrap:
                self.notify("Too many lines to be wrapped; scroll sideways.", severity="warning")
        self.lines.lay_out()
