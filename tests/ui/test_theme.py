"""What every page's head says, and the colours that all pages share."""

import re
from typing import Any

import pytest

from app.core.assets import ASSETS, asset_url
from app.core.settings import get_settings
from app.ui.theme import app_look, page_look

AA_TEXT = 4.5


def properties(look: dict[str, Any]) -> dict[str, str]:
    return {
        tag.get("property") or tag.get("name"): tag["content"]
        for tag in look["meta"]
        if isinstance(tag, dict)
    }


def test_a_public_page_has_og_tags_with_absolute_addresses() -> None:
    look = page_look("/pricing", title="Pricing", description="What it costs.", public=True)
    tags = properties(look)
    origin = get_settings().public_url
    assert look["title"] == tags["og:title"] == "Pricing · Latchkey"
    assert look["description"] == tags["og:description"] == "What it costs."
    assert tags["og:url"] == f"{origin}/pricing/"
    assert look["image"] == f"{origin}/og.png"
    assert "robots" not in tags


def test_a_signed_in_page_stays_out_of_the_sitemap_and_asks_not_to_be_listed() -> None:
    look = page_look("/keys", title="Keys", description="Your keys.")
    assert look["context"] == {"sitemap": None}
    assert properties(look)["robots"] == "noindex"


def test_the_start_page_is_canonical_at_the_root() -> None:
    look = page_look("/", title="Latchkey: keys", description="Keys.", public=True)
    assert properties(look)["og:url"] == f"{get_settings().public_url}/"
    assert look["title"] == "Latchkey: keys"


def test_the_app_raises_no_toasts_because_they_need_eval() -> None:
    assert app_look()["toaster"] is None


def test_an_asset_has_a_mark_of_its_content_in_its_address() -> None:
    assert re.fullmatch(r"/latchkey\.css\?v=[0-9a-f]{10}", asset_url("latchkey.css"))


def test_an_asset_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        asset_url("none.css")


def test_nothing_in_the_stylesheets_is_loaded_from_elsewhere() -> None:
    for sheet in ("latchkey.css", "portal.css"):
        addresses = re.findall(r"""(?:url\(|@import\s+)["']?([^"')\s]+)""", _css(sheet))
        assert all(address.startswith("/") for address in addresses)
        assert all((ASSETS / address.removeprefix("/")).is_file() for address in addresses)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        (text, ground)
        for text in ("ink", "ink-soft", "ink-faint", "accent")
        for ground in ("bg", "bg-soft", "surface")
    ]
    + [
        ("ink", "bg-press"),
        ("ink-soft", "bg-press"),
        ("ink", "accent-soft"),
        ("ink-soft", "accent-soft"),
    ]
    + [(tone, f"{tone}-soft") for tone in ("ok", "warn", "bad", "accent")]
    + [(tone, ground) for tone in ("ok", "bad") for ground in ("surface", "bg-soft")]
    + [("accent-ink", "accent-fill"), ("accent-ink", "accent-fill-hover")]
    + [("accent-ink", "bad-fill"), ("accent-ink", "bad-fill-hover")],
)
def test_text_has_enough_contrast(mode: int, text: str, ground: str) -> None:
    assert _contrast(_token(text, mode), _token(ground, mode)) >= AA_TEXT


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["bg", "surface"])
def test_the_edge_of_a_field_can_be_seen(mode: int, ground: str) -> None:
    assert _contrast(_token("line-control", mode), _token(ground, mode)) >= 3


def test_page_of_many_addresses_names_none_as_its_own() -> None:
    meta = page_look("/trials/[slug]", title="Trial", description="One of many.")["meta"]
    assert "[slug]" not in str(meta)
    assert "/trials/" in str(page_look("/trials", title="Trials", description="All.")["meta"])


def _css(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _token(name: str, mode: int) -> str:
    """A colour token's value in light (0) or dark (1)."""
    value = re.search(rf"--{name}: ([^;]+);", _css("latchkey.css"))
    assert value, name
    colours: list[str] = re.findall(r"#[0-9a-f]{6}", value[1])
    return colours[mode if len(colours) > 1 else 0]


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
