from datetime import timedelta

import pytest

from app.core.errors import InvalidRequest
from app.keys.options import KeyOptions, parse_options


def test_options_are_read_from_a_form():
    options = parse_options(
        label="  back   office ", lifetime="90", allowed_ips="203.0.113.7, 198.51.100.9/24\n::1"
    )
    assert options == KeyOptions(
        label="back office",
        lifetime=timedelta(days=90),
        allowed_ips=("203.0.113.7/32", "198.51.100.0/24", "::1/128"),
    )


def test_empty_choices_mean_for_ever_and_from_anywhere():
    assert parse_options(label="x") == KeyOptions(label="x", lifetime=None, allowed_ips=())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "   "}, "label"),
        ({"label": "a" * 61}, "label"),
        ({"label": "tab\u0000"}, "label"),
        ({"label": "right\u202eleft"}, "label"),
        ({"label": "x", "lifetime": "31"}, "lifetime"),
        ({"label": "x", "allowed_ips": "localhost"}, "allowed_ips"),
        ({"label": "x", "allowed_ips": "10.0.0.0/33"}, "allowed_ips"),
        ({"label": "x", "allowed_ips": " ".join(f"10.0.0.{n}" for n in range(51))}, "allowed_ips"),
    ],
)
def test_wrong_choice_is_refused_on_its_field(values, field):
    with pytest.raises(InvalidRequest) as refused:
        parse_options(**values)
    assert list(refused.value.fields) == [field]
