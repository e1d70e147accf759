"""What every page does: open the books, show what went wrong in words, send webhooks on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.core.pages import PRIVATE_HEADERS
from app.sandbox.acts.due import catch_up
from app.sandbox.books import Books, opened_books
from app.sandbox.config import Config
from app.sandbox.errors import CardError, ResourceMissing, StripeError
from app.sandbox.forms import Params, parse_form
from app.sandbox.pages.view import render
from app.sandbox.requests import read_text
from app.sandbox.shapes.customer import TestCard, find_card

DECLINED = "The card was declined. Choose another one and try again."


@dataclass(frozen=True)
class Visit:
    """One request for a page."""

    request: Request
    config: Config
    on_told: Callable[[], None]

    @property
    def id(self) -> str:
        """The object that the page is about."""
        return str(self.request.path_params["id"])

    async def form(self) -> Params:
        """The fields that were sent."""
        return Params(parse_form(await read_text(self.request)))

    @asynccontextmanager
    async def books(self) -> AsyncIterator[Books]:
        """The books, brought up to now; their webhooks leave when they are closed."""
        async with opened_books(self.config.now, self.config.public_url) as books:
            await catch_up(books)
            yield books
        if books.has_told:
            self.on_told()


Page = Callable[[Visit], Awaitable[Response]]


def in_words(page: Page, config: Config, on_told: Callable[[], None]) -> Callable[..., object]:
    """The page as an endpoint, whose refusals are pages too."""

    async def endpoint(request: Request) -> Response:
        try:
            return await page(Visit(request, config, on_told))
        except ResourceMissing:
            return render(
                "message.html",
                status=404,
                title="There is nothing here",
                detail="The address is incomplete, or the sandbox's data was deleted. Go back to "
                "where you came from and start again.",
            )
        except StripeError as error:
            return render(
                "message.html",
                status=error.status,
                title="That did not work",
                detail=f"{error.message} Go back, reload the page, and look at its present state.",
            )

    return endpoint


@asynccontextmanager
async def noting_declines() -> AsyncIterator[list[str]]:
    """Collects the words about a declined card; what the try left behind is kept."""
    words: list[str] = []
    try:
        yield words
    except CardError:
        words.append(DECLINED)


async def chosen_card(visit: Visit) -> TestCard | None:
    """The test card that the form chose."""
    return find_card((await visit.form()).text("card") or "")


def go_to(url: str) -> Response:
    """On to another page, which is asked for anew."""
    return RedirectResponse(url, 303, headers=PRIVATE_HEADERS)
