"""Products and prices, to be read."""

from app.sandbox.books import Books
from app.sandbox.document import Json
from app.sandbox.forms import Params
from app.sandbox.routes.lists import page_of

_ACTIVE = "object->>'active' = :value"


async def retrieve_product(books: Books, params: Params, product_id: str) -> Json:
    """GET /v1/products/{id}."""
    return (await books.get("product", product_id)).object


async def list_products(books: Books, params: Params) -> Json:
    """GET /v1/products."""
    return await page_of(books, "product", params, "/v1/products", {_ACTIVE: params.text("active")})


async def retrieve_price(books: Books, params: Params, price_id: str) -> Json:
    """GET /v1/prices/{id}."""
    return (await books.get("price", price_id, param="price")).object


async def list_prices(books: Books, params: Params) -> Json:
    """GET /v1/prices."""
    recurring = params.inner("recurring")
    filters = {
        _ACTIVE: params.text("active"),
        "object->>'product' = :value": params.text("product"),
        "object->>'currency' = :value": params.text("currency"),
        "object->>'type' = :value": params.text("type"),
        "object->'recurring'->>'interval' = :value": recurring.text("interval"),
    }
    return await page_of(books, "price", params, "/v1/prices", filters)
