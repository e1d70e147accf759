"""The pieces that pages are made of: functions from data to components, without rules.

Pages import from here; one module holds one kind of piece.
"""

from app.ui.components.actions import button, form_button, link_button, menu, menu_item
from app.ui.components.code import Snippet, code_block, copy_button, key_line, mono, snippet_tabs
from app.ui.components.dialog import dialog, dialog_actions, dialog_close
from app.ui.components.feedback import banner, empty_state, notice, skeleton
from app.ui.components.fields import (
    choice_field,
    field,
    hidden_field,
    select_field,
    textarea_field,
)
from app.ui.components.leave import leave_for
from app.ui.components.numbers import meter, metric_tile, metric_tiles
from app.ui.components.plain import plain_form, plain_link
from app.ui.components.status import badge, call_badge, key_badge
from app.ui.components.steps import checklist, checklist_step, waiting
from app.ui.components.table import Column, table
from app.ui.components.time import day_time, relative_time, utc_time
from app.ui.components.typed import typed_dialog

__all__ = [
    "Column",
    "Snippet",
    "badge",
    "banner",
    "button",
    "call_badge",
    "checklist",
    "checklist_step",
    "choice_field",
    "code_block",
    "copy_button",
    "day_time",
    "dialog",
    "dialog_actions",
    "dialog_close",
    "empty_state",
    "field",
    "form_button",
    "hidden_field",
    "key_badge",
    "key_line",
    "leave_for",
    "link_button",
    "menu",
    "menu_item",
    "meter",
    "metric_tile",
    "metric_tiles",
    "mono",
    "notice",
    "plain_form",
    "plain_link",
    "relative_time",
    "select_field",
    "skeleton",
    "snippet_tabs",
    "table",
    "textarea_field",
    "typed_dialog",
    "utc_time",
    "waiting",
]
