"""The first call in curl, Python and JavaScript, as the pages and the onboarding show it."""

from app.ui.components.code import ORIGIN, Snippet

KEY_PLACEHOLDER = "YOUR_KEY"
"""Stands for the key in every snippet; pages that have a key fill it in."""

EXAMPLE_NAME = "Cubana Airlines"
"""A company on the sample list, so that the first call finds something."""


def screen_snippets() -> tuple[Snippet, ...]:
    """`POST /api/v1/screen` in three languages, with the address of this installation."""
    return tuple(
        Snippet(label, code.replace("URL", f"{ORIGIN}/api/v1/screen").replace("NAME", EXAMPLE_NAME))
        for label, code in (("curl", _CURL), ("Python", _PYTHON), ("JavaScript", _JAVASCRIPT))
    )


SHORT_ANSWER = """\
{
  "status": "potential_match",
  "results": [
    {
      "name": "EMPRESA CUBANA DE AVIACION",
      "matched_name": "CUBANA AIRLINES",
      "score": 1.0
    }
  ]
}"""
"""What the sample list answers to the snippets, less the fields that can wait."""

_CURL = """\
curl URL \\
  -H "Authorization: Bearer YOUR_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"name": "NAME"}'"""

_PYTHON = """\
import httpx

answer = httpx.post(
    "URL",
    headers={"Authorization": "Bearer YOUR_KEY"},
    json={"name": "NAME"},
)
print(answer.json()["status"])"""

_JAVASCRIPT = """\
const answer = await fetch("URL", {
  method: "POST",
  headers: {
    "Authorization": "Bearer YOUR_KEY",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ name: "NAME" }),
});
console.log((await answer.json()).status);"""
