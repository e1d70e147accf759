"""What a database's catalogue says of its tables, in a form that two databases share."""

from dataclasses import dataclass, field

import psycopg

COLUMNS = """
    SELECT class.relname || '.' || attname,
           concat_ws(' ', format_type(atttypid, atttypmod),
                     CASE WHEN attnotnull THEN 'NOT NULL' END,
                     'DEFAULT ' || pg_get_expr(adbin, adrelid),
                     CASE WHEN attcollation NOT IN (0, 100)
                          THEN 'COLLATE ' || attcollation::regcollation END)
    FROM pg_attribute
    JOIN pg_class AS class ON class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
      AND attnum > 0 AND NOT attisdropped
    ORDER BY class.relname, attnum
"""
# PostgreSQL 18 keeps "not null" as constraints, too; the columns say it already.
CONSTRAINTS = """
    SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conparentid = 0 AND contype <> 'n'
    ORDER BY conname
"""
INDEXES = """
    SELECT index.relname, replace(pg_get_indexdef(index.oid), ' ON ONLY ', ' ON ')
    FROM pg_index
    JOIN pg_class AS index ON index.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace
    ORDER BY index.relname
"""
OTHER = """
    SELECT relname, relkind::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'p', 'i', 'I')
    UNION ALL
    SELECT typname, 'type' FROM pg_type
    WHERE typnamespace = 'public'::regnamespace AND typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT proname, 'function' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT tgname, 'trigger' FROM pg_trigger JOIN pg_class AS class ON class.oid = tgrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
"""


@dataclass(frozen=True)
class Catalog:
    """The schema `public`: what each thing's name stands for."""

    columns: dict[str, str] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)


def read_catalog(url: str) -> Catalog:
    with psycopg.connect(url) as connection:
        # The same words for the same things, whatever the session's path.
        connection.execute("SET search_path = ''")
        parts = [
            {str(name): str(meaning) for name, meaning in connection.execute(query)}
            for query in (COLUMNS, CONSTRAINTS, INDEXES, OTHER)
        ]
    return Catalog(*parts)
