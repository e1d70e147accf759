"""Whose address a request comes from, and whom it asked for."""

import pytest
from starlette.requests import Request

from app.api.client import asked_name, client_address
from tests.api.browser import make_settings


def request(*headers, client=("10.0.0.1", 50000)):
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": client})


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, [], "10.0.0.1"),
        (0, ["203.0.113.9"], "10.0.0.1"),
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (1, ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        (2, ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (2, ["6.6.6.6,203.0.113.9", " 10.0.0.2 ,"], "203.0.113.9"),
        (2, ["203.0.113.9"], "10.0.0.1"),
        (1, [], "10.0.0.1"),
        (1, [" , "], "10.0.0.1"),
        (1, ["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_as_many_proxies_are_believed_as_the_setting_says(tmp_path, hops, forwarded, expected):
    settings = make_settings(tmp_path, trusted_proxy_hops=hops)
    headers = [("X-Forwarded-For", value) for value in forwarded]
    assert client_address(request(*headers), settings) == expected


def test_connection_without_an_address_has_none(tmp_path):
    assert client_address(request(client=None), make_settings(tmp_path)) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "localhost"),
        ("LOCALHOST", "localhost"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("api.example.com.", "api.example.com."),
        ("a_b.example:1", "a_b.example"),
        ("evil.example:123456", ""),
        ("evil.example:", ""),
        ("::1", ""),
        ("a@b", ""),
        ("a/b", ""),
        ("a b", ""),
        ("[localhost]", ""),
        ("", ""),
    ],
)
def test_asked_name_is_that_of_the_host_header_or_none(host, name):
    assert asked_name(request(("Host", host))) == name


def test_request_without_a_host_asks_for_no_name():
    assert asked_name(request()) == ""
