"""A shop for the tests of what a payment sets going."""

from tests.billing.conftest import shop as shop  # noqa: PLC0414  # a fixture
from tests.metering.conftest import tables as tables  # noqa: PLC0414  # a fixture
