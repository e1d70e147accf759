"""The screening API's own failures, beside those of reading JSON."""

from app.core.errors import LatchkeyError


class MethodNotAllowed(LatchkeyError):
    """The path is known, the method is not; the header Allow names those that are."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    default_detail = "This address does not take this method. See the header Allow."


class NoListLoaded(LatchkeyError):
    """There is nothing to screen against."""

    status = 503
    code = "no_list_loaded"
    title = "No list loaded"
    default_detail = "No watchlist could be loaded, so nothing was screened. Try again later."


class InternalError(LatchkeyError):
    """Ours to mend. The log has the rest."""

    status = 500
    code = "internal_error"
    title = "Internal error"
    default_detail = "Something went wrong on our side. Try again; if it stays, tell us the id."
