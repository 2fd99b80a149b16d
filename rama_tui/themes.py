"""The two themes of our own; Textual's others are in the command palette."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="rama-dark",
    primary="#5aa9e6",
    secondary="#7f8fa9",
    accent="#e8a33d",
    success="#6cc57c",
    warning="#e5c04b",
    error="#f0706a",
    foreground="#d7dae0",
    background="#14171c",
    surface="#191d23",
    panel="#242a33",
    dark=True,
    variables={
        "footer-key-foreground": "#e8a33d",
        "footer-background": "#14171c",
        "footer-description-foreground": "#a3abb8",
        "block-cursor-background": "#28517a",
        "block-cursor-foreground": "#ffffff",
        "input-selection-background": "#5aa9e6 40%",
        "scrollbar": "#454d59",
        "scrollbar-hover": "#7f8fa9",
        "scrollbar-active": "#5aa9e6",
        "scrollbar-background": "#191d23",
        "scrollbar-background-hover": "#191d23",
        "scrollbar-background-active": "#191d23",
        "scrollbar-corner-color": "#191d23",
    },
)
LIGHT = Theme(
    name="rama-light",
    primary="#0b62b0",
    secondary="#5a6473",
    accent="#a85a00",
    success="#177a35",
    warning="#8a6100",
    error="#bf2222",
    foreground="#1d2127",
    background="#fafaf8",
    surface="#f3f3f0",
    panel="#e4e5e2",
    dark=False,
    variables={
        "footer-key-foreground": "#a85a00",
        "footer-background": "#fafaf8",
        "footer-description-foreground": "#4c5563",
        "block-cursor-background": "#bcd9f5",
        "block-cursor-foreground": "#0c1116",
        "input-selection-background": "#0b62b0 30%",
        "scrollbar": "#b9bdc4",
        "scrollbar-hover": "#7c8593",
        "scrollbar-active": "#0b62b0",
        "scrollbar-background": "#f3f3f0",
        "scrollbar-background-hover": "#f3f3f0",
        "scrollbar-background-active": "#f3f3f0",
        "scrollbar-corner-color": "#f3f3f0",
    },
)
PLAIN = "ansi-dark"  # Textual's theme of the terminal's own colours, for NO_COLOR
