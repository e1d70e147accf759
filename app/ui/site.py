"""Every page of the portal, in one list."""

import reflex as rx

from app.ui.pages.billing import billing_page
from app.ui.pages.billing_state import BillingState
from app.ui.pages.checkout_state import CheckoutState
from app.ui.pages.conversion_state import ConversionState
from app.ui.pages.keys import keys_page
from app.ui.pages.keys_state import KeysState
from app.ui.pages.logs import LogsState, logs_page
from app.ui.pages.overview import OverviewState, overview_page
from app.ui.pages.plan_state import PlanState
from app.ui.pages.public import public_pages
from app.ui.pages.settings import settings_page
from app.ui.pages.settings_data import DataState
from app.ui.pages.settings_identities import IdentitiesState
from app.ui.pages.settings_state import SettingsState
from app.ui.pages.trial import trial_page, trial_title
from app.ui.pages.trial_state import TrialState
from app.ui.pages.trials import trials_page
from app.ui.pages.trials_state import TrialsState
from app.ui.state import PortalState
from app.ui.theme import page_look


def add_pages(app: rx.App) -> None:
    """Give the app its pages. The guard answers for each `on_load` handler by itself."""
    for page, look in public_pages():
        app.add_page(page, **look)
    app.add_page(
        overview_page,
        on_load=[PortalState.load_user, KeysState.enter, TrialsState.enter, OverviewState.load],
        **page_look("/overview", title="Overview", description="Your calls at a glance."),
    )
    app.add_page(
        keys_page,
        on_load=[PortalState.load_user, KeysState.enter],
        **page_look("/keys", title="Keys", description="Your API keys."),
    )
    app.add_page(
        trials_page,
        on_load=[PortalState.load_user, TrialsState.enter],
        **page_look("/trials", title="Trials", description="Plans that you try."),
    )
    app.add_page(
        trial_page,
        on_load=[PortalState.load_user, TrialState.enter, ConversionState.enter],
        **page_look("/trials/[slug]", title=trial_title(), description="A plan that you try."),
    )
    app.add_page(
        logs_page,
        on_load=[PortalState.load_user, LogsState.load],
        **page_look("/logs", title="Logs", description="Every call made with your keys."),
    )
    app.add_page(
        billing_page,
        on_load=[
            PortalState.load_user,
            BillingState.enter,
            PlanState.enter,
            CheckoutState.enter,
            BillingState.load_invoices,
        ],
        **page_look("/billing", title="Billing", description="Your plan and your invoices."),
    )
    app.add_page(
        settings_page,
        on_load=[
            PortalState.load_user,
            SettingsState.enter,
            IdentitiesState.enter,
            DataState.enter_data,
        ],
        **page_look(
            "/settings", title="Settings", description="Your account, its sessions and its data."
        ),
    )
