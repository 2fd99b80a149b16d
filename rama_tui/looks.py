"""Styles of a widget's component classes for text that the widget draws itself."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget


def look(widget: Widget, name: str) -> Style:
    """The colour and text style of component class `name`, mixed with what is below it.

    The background is only that of the class itself, so that looks can be laid over one another.
    """
    mixed = widget.get_component_rich_style(name)
    own = widget.get_component_rich_style(name, partial=True)
    rules = widget.get_component_styles(name)
    coloured = rules.has_rule("color") or rules.auto_color
    return own.without_color + Style(color=mixed.color if coloured else None, bgcolor=own.bgcolor)
