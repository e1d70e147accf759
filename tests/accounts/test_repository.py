"""The document's query "user by address with subscription and keys"."""

from datetime import UTC, datetime

from app.accounts.repository import find_customer
from tests.conftest import UnitOfWork
from tests.factories import make_key, make_subscription, make_user
from tests.statements import counted_statements


async def test_customer_is_found_with_subscription_and_keys(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com")
        subscription = await make_subscription(session, user)
        keys = [(await make_key(session, user))[0] for _ in range(3)]
        stranger = await make_user(session)
        await make_key(session, stranger)
    async with unit_of_work() as session:
        customer = await find_customer(session, "ada@example.com")
    assert customer is not None
    assert customer.user.id == user.id
    assert customer.subscription is not None
    assert customer.subscription.id == subscription.id
    assert {key.id for key in customer.keys} == {key.id for key in keys}


async def test_customer_without_anything_is_found(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com")
        customer = await find_customer(session, "ada@example.com")
    assert customer is not None
    assert (customer.user.id, customer.subscription, list(customer.keys)) == (user.id, None, [])


async def test_unknown_address_finds_nobody(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        await make_user(session)
        assert await find_customer(session, "nobody@example.com") is None


async def test_address_compares_without_case_in_any_script(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email="Ünal.Ada@Example.com")
        customer = await find_customer(session, "ünal.ADA@example.COM")
    assert customer is not None
    assert customer.user.id == user.id


async def test_exact_spelling_wins_over_the_older_user(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        old = datetime(2020, 1, 1, tzinfo=UTC)
        elder = await make_user(session, email="ADA@example.com", created_at=old)
        exact = await make_user(session, email="ada@example.com")
        found = await find_customer(session, "ada@example.com")
        other = await find_customer(session, "Ada@example.com")
    assert found is not None
    assert found.user.id == exact.id
    assert other is not None
    assert other.user.id == elder.id


async def test_finding_a_customer_takes_two_statements(unit_of_work: UnitOfWork) -> None:
    async with unit_of_work() as session:
        user = await make_user(session, email="ada@example.com")
        await make_subscription(session, user)
        for _ in range(5):
            await make_key(session, user)
    for email in ("ada@example.com", "nobody@example.com"):
        async with unit_of_work() as session:
            with counted_statements() as statements:
                await find_customer(session, email)
        assert len(statements) == 2, email
