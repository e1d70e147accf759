"""What the sandbox sells, brought up to date at each start."""

from collections.abc import Sequence

from app.core.crypto import sha256_hex
from app.sandbox.books import Books
from app.sandbox.document import Document, Json
from app.sandbox.shapes import catalog
from app.sandbox.shapes.catalog import SandboxPrice


async def open_shop(books: Books, prices: Sequence[SandboxPrice]) -> None:
    """Offer these prices and no others; running subscriptions keep what they were sold at."""
    offered = {price.id for price in prices}
    for old in await books.list_all("price"):
        old["active"] = old.id in offered
    for sold in prices:
        product_id = f"prod_{sha256_hex(sold.product_name)[:14]}"
        product = catalog.product(product_id, sold.product_name, books.now)
        await _put(books, "product", product)
        await _put(books, "price", catalog.price(sold, product_id, books.now))


async def _put(books: Books, kind: str, made: Json) -> Document:
    found = await books.find(made["id"])
    if found is None:
        return books.add(kind, made)
    found.object = {**made, "created": found["created"]}
    if "updated" in found.object:
        found["updated"] = found["created"]
    return found
