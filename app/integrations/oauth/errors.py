"""What can come of asking a provider who somebody is, in words for the person who waits for it."""

from app.core.errors import LatchkeyError


class ProviderError(LatchkeyError):
    """The provider was asked who somebody is, and nothing that can be relied on came of it."""

    status = 502
    code = "provider_error"
    title = "This did not go through"
    default_detail = "Nothing was changed. Start again from the beginning."


class ProviderUnavailable(ProviderError):
    """The provider is down, slow, or answers what cannot be read."""

    status = 503
    code = "provider_unavailable"
    title = "The provider does not answer"
    default_detail = (
        "Nothing was changed. Wait a minute and start again. Signing in by a link that we mail you "
        "works meanwhile."
    )


class ProviderMisconfigured(ProviderError):
    """The provider does not know our client id, its secret or its callback address."""

    status = 503
    code = "provider_misconfigured"
    title = "This provider is not set up"
    default_detail = (
        "It is not set up rightly on our side, and we have noted it. Signing in by a link that we "
        "mail you works meanwhile."
    )


class CodeRefused(ProviderError):
    """The provider does not take the code: it was used before, is too old, or is none of its."""

    status = 400
    code = "provider_code_refused"


class IdentityNotProven(ProviderError):
    """What came says who somebody is, but not in a way that proves it."""

    code = "identity_not_proven"
    default_detail = (
        "What the provider answered does not prove who you are, so nothing was done. Start again; "
        "if it stays, tell us. Signing in by a link that we mail you works meanwhile."
    )


class AddressNotShared(ProviderError):
    """The provider does not tell the person's address, and an account needs one."""

    status = 403
    code = "address_not_shared"
    title = "The provider did not tell us your address"
    default_detail = (
        "An account here needs an email address. Start again and allow the provider to share "
        "yours, or sign in by a link that we mail you."
    )


class ConsentRefused(ProviderError):
    """The person, or the provider's administrator, said no."""

    status = 403
    code = "consent_refused"
    title = "This was cancelled"
    default_detail = (
        "The provider says that this was cancelled or not allowed. Nothing was changed. Start "
        "again if that is not what you meant."
    )
