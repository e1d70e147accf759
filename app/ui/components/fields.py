"""Form fields: the label above, what is wrong beside, both announced with the field."""

from collections.abc import Sequence
from typing import Any

import reflex as rx

from app.ui.components.kinds import Text


def field(
    name: str,
    label: str,
    *,
    error: Text = "",
    hint: str = "",
    optional: bool = False,
    prefix: str = "field",
    **props: Any,
) -> rx.Component:
    """A one-line field. `props` go to the input: type, value, on_change, auto_focus, …

    `error` stands under the field and marks it invalid while it is not empty. The input's
    id is `{prefix}-{name}`: give a prefix where two forms of a page share a name.
    """
    props.setdefault("type", "text")
    control = rx.el.input(**_control(name, prefix, error, hint, optional, props))
    return _labelled(name, label, control, error=error, hint=hint, optional=optional, prefix=prefix)


def textarea_field(
    name: str,
    label: str,
    *,
    error: Text = "",
    hint: str = "",
    optional: bool = False,
    prefix: str = "field",
    **props: Any,
) -> rx.Component:
    """A field of several lines; otherwise like `field`."""
    control = rx.el.textarea(**_control(name, prefix, error, hint, optional, props))
    return _labelled(name, label, control, error=error, hint=hint, optional=optional, prefix=prefix)


def select_field(
    name: str,
    label: str,
    options: Sequence[tuple[str, str]],
    *,
    error: Text = "",
    hint: str = "",
    prefix: str = "field",
    **props: Any,
) -> rx.Component:
    """A choice of `options` (value, words), as the browser's own list."""
    control = rx.el.select(
        *[rx.el.option(words, value=value) for value, words in options],
        **_control(name, prefix, error, hint, False, props),
    )
    return _labelled(name, label, control, error=error, hint=hint, optional=False, prefix=prefix)


def choice_field(
    name: str,
    legend: str,
    options: Sequence[tuple[str, Text, rx.Component | Text]],
    *,
    chosen: Text,
    error: Text = "",
    prefix: str = "field",
) -> rx.Component:
    """A choice of few `options` (value, title, what it gives), all of them in sight.

    `chosen` is the value that it begins with, and begins anew with when that changes.
    """
    field_id = f"{prefix}-{name}"
    return rx.el.fieldset(
        rx.el.legend(legend, class_name="field-label"),
        rx.el.div(
            *[_choice(name, option, chosen) for option in options],
            key=chosen,
            class_name="choices",
        ),
        rx.el.p(error, id=f"{field_id}-error", class_name="field-error", aria_live="polite"),
        class_name="field",
        aria_describedby=f"{field_id}-error",
    )


def hidden_field(name: str, value: Text = "", **attributes: str) -> rx.Component:
    """A value that travels with the form unseen."""
    return rx.el.input(type="hidden", name=name, default_value=value, custom_attrs=dict(attributes))


def _choice(name: str, option: tuple[str, Text, rx.Component | Text], chosen: Text) -> rx.Component:
    value, title, words = option
    return rx.el.label(
        rx.el.input(
            type="radio",
            name=name,
            value=value,
            default_checked=chosen == value,
            required=True,
        ),
        rx.el.strong(title),
        rx.el.span(words, class_name="muted"),
        class_name="choice",
    )


def _control(
    name: str, prefix: str, error: Text, hint: str, optional: bool, props: dict[str, Any]
) -> dict[str, Any]:
    field_id = f"{prefix}-{name}"
    described = [f"{field_id}-hint"] if hint else []
    return {
        "id": field_id,
        "name": name,
        "required": not optional,
        "class_name": "input",
        "aria_invalid": error != "" if isinstance(error, str) else rx.cond(error, True, False),
        "aria_describedby": " ".join([*described, f"{field_id}-error"]),
        **props,
    }


def _labelled(
    name: str,
    label: str,
    control: rx.Component,
    *,
    error: Text,
    hint: str,
    optional: bool,
    prefix: str,
) -> rx.Component:
    field_id = f"{prefix}-{name}"
    extra = [rx.el.span(" (optional)", class_name="optional")] if optional else []
    return rx.el.div(
        rx.el.label(label, *extra, html_for=field_id),
        control,
        *([rx.el.p(hint, id=f"{field_id}-hint", class_name="field-hint")] if hint else []),
        rx.el.p(error, id=f"{field_id}-error", class_name="field-error", aria_live="polite"),
        class_name="field",
    )
