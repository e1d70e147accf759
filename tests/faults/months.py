"""Makes both logs of calls lack months, as if nobody had made them ahead, or worse."""

import psycopg

_ON_BOTH_LOGS = """
DO $$
DECLARE
    log regclass;
    name text;
    part regclass;
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    this text := latchkey.first_call_id(month);
    last text := latchkey.first_call_id(month - interval '1 month');
BEGIN
    FOR log, name IN VALUES ('public."ApiCall"'::regclass, 'ApiCall'),
                            ('latchkey."TrialApiCall"'::regclass, 'TrialApiCall')
    LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', log);
        {do}
    END LOOP;
END
$$
"""
_LOSE = """
        EXECUTE format('ALTER TABLE %s DETACH PARTITION latchkey.%I', log, name || '_before');
        EXECUTE format('ALTER TABLE %s DETACH PARTITION latchkey.%I', log, name || '_after');
        FOR part IN SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = log AND relname ~ '_[0-9]{4}_[0-9]{2}$'
        LOOP
            EXECUTE format('INSERT INTO latchkey.%I SELECT * FROM %s', name || '_after', part);
            EXECUTE format('DROP TABLE %s', part);
        END LOOP;
        EXECUTE format('CREATE TABLE latchkey.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
            name || to_char(month - interval '1 month', '_YYYY_MM'), log, last, this);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION latchkey.%I '
            'FOR VALUES FROM (MINVALUE) TO (%L)', log, name || '_before', last);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION latchkey.%I '
            'FOR VALUES FROM (%L) TO (%L)', log, name || '_after', this, '1');
"""
_DETACH = """
        EXECUTE format('ALTER TABLE %s DETACH PARTITION latchkey.%I', log, name || {what});
"""


def lose_months(url: str) -> None:
    """The last month that was made is the one before the present: calls lie in what follows."""
    _do(url, _LOSE)


def tear_gap(url: str, *, is_month_kept: bool) -> None:
    """No partition takes the calls of now: the present month is detached, or, with all months
    lost, the range after them is. What they hold is kept."""
    if is_month_kept:
        _do(url, _DETACH.replace("{what}", "to_char(month, '_YYYY_MM')"))
    else:
        _do(url, _LOSE + _DETACH.replace("{what}", "'_after'"))


def rows_after_the_months(url: str) -> int:
    """How many calls lie in the range after the last month."""
    with psycopg.connect(url) as connection:
        counts = connection.execute(
            'SELECT (SELECT count(*) FROM latchkey."ApiCall_after"), '
            '(SELECT count(*) FROM latchkey."TrialApiCall_after")'
        ).fetchone()
    assert counts is not None
    return sum(counts)


def _do(url: str, what: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(_ON_BOTH_LOGS.replace("{do}", what).encode())
