"""What a customer's program asks the API, and what it hears."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.portal import Portal

SCREEN, BODY = "/api/v1/screen", {"name": "Cubana Airlines"}


def screen(portal: Portal, key: str) -> httpx.Response:
    """One call that costs a unit."""
    return httpx.post(f"{portal.url}{SCREEN}", headers=_bearer(key), json=BODY, timeout=10)


def ask_usage(portal: Portal, key: str) -> dict[str, Any]:
    """What the API tells this key of its account or trial, or why it refuses it."""
    address = f"{portal.url}/api/v1/usage"
    return httpx.get(address, headers=_bearer(key), timeout=10).json()


def units_limit(portal: Portal, key: str) -> int:
    """What the API lets this key have in its period."""
    return ask_usage(portal, key)["units_limit"]


@contextmanager
def calling_on(portal: Portal, key: str, *, pause_seconds: float) -> Iterator[list[int]]:
    """A program that calls without end inside the block; the statuses it got, as they come."""
    statuses: list[int] = []
    is_over = threading.Event()

    def call() -> None:
        with httpx.Client(headers=_bearer(key), timeout=10) as client:
            while not is_over.wait(pause_seconds):
                statuses.append(client.post(f"{portal.url}{SCREEN}", json=BODY).status_code)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        thread.join()


def seconds_until(status: int, portal: Portal, key: str, *, within: float) -> float:
    """How long until a call with the key is answered with this status."""
    started = time.monotonic()
    while screen(portal, key).status_code != status:
        assert time.monotonic() - started < within, f"no {status} within {within} s"
    return time.monotonic() - started


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
