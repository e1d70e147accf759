"""Which addresses are one mailbox, as far as the big providers tell."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Provider:
    """How a provider reads the part before the @.

    `tag`: what begins the part that it ignores. `ignored`: characters that it ignores.
    `domain`: under which name its domains are one; None: each has mailboxes of its own.
    """

    tag: re.Pattern[str]
    ignored: re.Pattern[str] | None = None
    domain: str | None = None


_PLUS = re.compile(r"\+")
_GOOGLE = _Provider(_PLUS, re.compile(r"\."), "gmail.com")
_MICROSOFT = _Provider(_PLUS)
_APPLE = _Provider(_PLUS, domain="icloud.com")
_PROTON = _Provider(_PLUS, re.compile(r"[._-]"), "proton.me")
_FASTMAIL = _Provider(_PLUS)
_YAHOO = _Provider(re.compile(r"-"))

_PROVIDERS = {
    "gmail.com": _GOOGLE,
    "googlemail.com": _GOOGLE,
    "outlook.com": _MICROSOFT,
    "hotmail.com": _MICROSOFT,
    "hotmail.co.uk": _MICROSOFT,
    "hotmail.de": _MICROSOFT,
    "hotmail.fr": _MICROSOFT,
    "live.com": _MICROSOFT,
    "live.co.uk": _MICROSOFT,
    "msn.com": _MICROSOFT,
    "icloud.com": _APPLE,
    "me.com": _APPLE,
    "mac.com": _APPLE,
    "proton.me": _PROTON,
    "protonmail.com": _PROTON,
    "protonmail.ch": _PROTON,
    "pm.me": _PROTON,
    "fastmail.com": _FASTMAIL,
    "fastmail.fm": _FASTMAIL,
    "yahoo.com": _YAHOO,
    "yahoo.co.uk": _YAHOO,
    "yahoo.de": _YAHOO,
    "yahoo.fr": _YAHOO,
    "ymail.com": _YAHOO,
    "rocketmail.com": _YAHOO,
}


def fold_address(email: str) -> str:
    """The one spelling of all addresses that lead to the same mailbox; not for sending mail to.

    Nothing is assumed of domains that are not in the table: there, only the case tells nothing.

    - Google: dots and what follows a plus are ignored; googlemail.com is gmail.com
      (support.google.com/mail/answer/7436150).
    - Microsoft: a plus begins a tag, since 2013; the domains have mailboxes of their own
      (zdnet.com, "Microsoft adds support for custom '+' email addresses in Office 365").
    - Apple: one mailbox has @icloud.com, @me.com and @mac.com (support.apple.com/118230), and
      others have found that a plus begins a tag.
    - Proton: a plus begins a tag; dots, hyphens and underscores are ignored (`removeEmailAlias`
      in ProtonMail/WebClients); a name on one of its domains is the same person's on the others
      (proton.me/support/addresses-and-aliases).
    - Fastmail: a plus begins a tag, and anything@name.fastmail.com is name@fastmail.com
      (fastmail.help, article 360060591053).
    - Yahoo: a hyphen follows the base name that all disposable addresses of a mailbox have
      (help.yahoo.com, AddressGuard); the mailbox's own address is another.
    """
    local, _, domain = email.strip().lower().rpartition("@")
    domain = domain.rstrip(".")
    local, domain = _without_subdomain(local, domain)
    provider = _PROVIDERS.get(domain)
    if provider is None:
        return f"{local}@{domain}"
    name = provider.tag.split(local, maxsplit=1)[0] or local
    if provider.ignored is not None:
        name = provider.ignored.sub("", name) or name
    return f"{name}@{provider.domain or domain}"


def _without_subdomain(local: str, domain: str) -> tuple[str, str]:
    name, _, parent = domain.partition(".")
    if _PROVIDERS.get(parent) is _FASTMAIL:
        return name, parent
    return local, domain
