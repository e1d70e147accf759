"""What components promise beyond how they look."""

import json

import reflex as rx

from app.ui.components import (
    Column,
    button,
    code_block,
    field,
    form_button,
    key_line,
    plain_form,
    table,
)
from app.ui.components.code import highlighted


def drawn(component: rx.Component) -> str:
    """The component as the compiler sees it."""
    return str(component.render())


def test_a_plain_form_is_left_to_the_browser() -> None:
    """Reflex's own form stops every submit that has no handler."""
    form = plain_form(action="/auth/sign-out")
    assert "on_submit" not in form.event_triggers
    assert '"/auth/sign-out"' in drawn(form)
    assert '"post"' in drawn(form)
    assert "on_submit" not in form_button("Sign out", "/auth/sign-out").event_triggers


def test_a_busy_button_cannot_be_pressed_again() -> None:
    assert "disabled:true" in drawn(button("Save", busy=True))
    assert "disabled:false" in drawn(button("Save"))


def test_a_wrong_field_is_marked_and_tied_to_its_error() -> None:
    wrong = drawn(field("email", "Email", error="Check it."))
    assert '"aria-invalid":true' in wrong
    assert '"aria-describedby":"field-email-error"' in wrong
    assert '"aria-invalid":false' in drawn(field("email", "Email"))


def test_copying_a_key_sends_no_event() -> None:
    assert "addEvents" not in drawn(key_line("lk_live_x"))
    assert "data-copy" in drawn(key_line("lk_live_x"))


def test_a_key_that_is_not_copied_keeps_the_page_from_being_left() -> None:
    assert "data-unsaved" in drawn(key_line("lk_live_x"))


def test_highlighting_changes_no_text() -> None:
    code = 'curl x \\\n  -H "A: b" # why\n  -d \'{"a": 1}\''
    pieces = highlighted(code, {"b": "KEY"})
    text = "".join(
        piece if isinstance(piece, str) else "".join(_texts(piece))
        for piece in pieces
        if not isinstance(piece, rx.Var)
    )
    assert text == code.replace("b", "KEY")


def test_a_placeholder_is_filled_where_it_stands() -> None:
    assert "YOUR_KEY" not in drawn(code_block('x "YOUR_KEY"', fill={"YOUR_KEY": "lk_live_1"}))


def test_a_table_keeps_its_roles_when_it_becomes_a_list() -> None:
    columns = [Column("Name", lambda row: row), Column("Actions", str, is_label_hidden=True)]
    drawing = drawn(table("Keys", columns, ["production"]))
    for role in ("table", "rowgroup", "row", "columnheader", "cell"):
        assert f'role:"{role}"' in drawing
    assert '"data-label":"Name"' in drawing
    assert '"data-label":"Actions"' not in drawing


def _texts(component: rx.Component) -> list[str]:
    return [json.loads(str(child.contents)) for child in component.children]
