"""Every event handler says who may call it, or the run fails."""

import pytest
from reflex_base.registry import RegistrationContext

import app.app
from app.ui.guard import FRAMEWORK_EVENTS, NotSignedIn, access_of, require_caller

assert app.app.app  # importing it registers every state class
REGISTRY = RegistrationContext.get().event_handlers
OURS = sorted(name for name in REGISTRY if "app___" in name and not name.endswith(".setvar"))


def test_the_registry_holds_our_handlers():
    assert len(OURS) > 10


@pytest.mark.parametrize("name", OURS)
def test_handler_declares_who_may_call_it(name):
    assert access_of(name) in {"public", "signed_in"}, (
        f"{name} declares neither @public nor @signed_in (app/ui/guard.py)"
    )


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - set(OURS) - FRAMEWORK_EVENTS))
def test_framework_handler_that_no_page_needs_is_closed(name):
    assert access_of(name) is None


def test_every_framework_event_we_let_through_exists():
    assert set(REGISTRY) >= FRAMEWORK_EVENTS


def test_unknown_event_is_closed():
    assert access_of("reflex___state____state.no_such_event") is None


def test_caller_is_required_where_there_is_none():
    with pytest.raises(NotSignedIn):
        require_caller()
