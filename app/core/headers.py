"""What answers say to browsers about themselves, besides their content."""

FRAMELESS = "frame-ancestors 'none'"
"""The policy of every answer: nobody shows it within a page of theirs. Pages have another, too."""

PLAIN_PAGE = (
    "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The policy of a plain page, which needs nothing but its own files."""

NO_STORE = "no-store"
"""For what is about one person, or for one program: no cache keeps it."""

HSTS = "max-age=31536000"
"""A year of TLS only. Of this host alone: others of the domain are not ours to promise for."""


def server_headers(*, is_https: bool) -> list[tuple[str, str]]:
    """What the server says with every answer, whoever makes it, its own refusals too."""
    always = [("x-content-type-options", "nosniff"), ("content-security-policy", FRAMELESS)]
    return [*always, ("strict-transport-security", HSTS)] if is_https else always
