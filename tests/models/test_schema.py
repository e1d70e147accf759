"""The migrated database is the document's: `expected.sql`, and only the additions listed here."""

import re
from pathlib import Path

import psycopg
import pytest

from app.core import migrations
from tests.conftest import new_database
from tests.models.catalog import Catalog, read_catalog

EXPECTED = Path(__file__).with_name("expected.sql")

ADDED = Catalog(
    columns={
        "ApiCall.units": "integer NOT NULL DEFAULT 0",
        "ApiCall.ownerId": "text",
    },
    indexes={
        name: f'CREATE INDEX "{name}" ON public.{table} USING btree ({columns})'
        for name, table, columns in (
            ("User_lower_email_idx", '"User"', "lower(email)"),
            ("ApiCall_apiKeyId_createdAt_id_idx", '"ApiCall"', '"apiKeyId", "createdAt", id'),
            ("TrialWorkspace_ownerId_idx", '"TrialWorkspace"', '"ownerId"'),
            ("TrialApiKey_workspaceId_idx", '"TrialApiKey"', '"workspaceId"'),
        )
    },
    # They tell our nodes of changes, count the calls that other programs insert, and remember
    # whose a deleted key was.
    other={
        "latchkey_count": "trigger",
        "latchkey_keep": "trigger",
        "latchkey_notify": "trigger",
    },
)
# Ranges of ids need one order of texts everywhere.
CHANGED = {"ApiCall.id": 'text NOT NULL COLLATE "C"'}


@pytest.fixture(scope="module")
def catalogs(any_postgres: str) -> tuple[Catalog, Catalog]:
    """The migrated database's catalogue, and that of one with the document's tables."""
    with new_database(any_postgres, "template0") as migrated:
        migrations.upgrade(migrated)
        ours = read_catalog(migrated)
    with new_database(any_postgres, "template0") as document:
        with psycopg.connect(document) as connection:
            connection.execute(EXPECTED.read_text())
        return ours, read_catalog(document)


def test_columns_are_the_documents(catalogs: tuple[Catalog, Catalog]) -> None:
    ours, documents = catalogs
    assert ours.columns == {**documents.columns, **CHANGED, **ADDED.columns}


def test_columns_stand_in_the_documents_order(catalogs: tuple[Catalog, Catalog]) -> None:
    ours, documents = catalogs
    assert [name for name in ours.columns if name not in ADDED.columns] == list(documents.columns)


def test_keys_and_delete_rules_are_the_documents(catalogs: tuple[Catalog, Catalog]) -> None:
    ours, documents = catalogs
    assert ours.constraints == documents.constraints


def test_indexes_are_the_documents(catalogs: tuple[Catalog, Catalog]) -> None:
    ours, documents = catalogs
    assert ours.indexes == {**documents.indexes, **ADDED.indexes}


def test_only_our_triggers_are_added_to_the_documents_schema(
    catalogs: tuple[Catalog, Catalog],
) -> None:
    ours, documents = catalogs
    assert (ours.other, documents.other) == (ADDED.other, {})


def test_the_comparison_sees_all_that_the_document_has(catalogs: tuple[Catalog, Catalog]) -> None:
    _, documents = catalogs
    text = EXPECTED.read_text()
    keys = text.count("PRIMARY KEY")
    assert len(documents.columns) == len(re.findall(r'^    "', text, re.MULTILINE)) == 72
    assert len(documents.constraints) == keys + text.count("ADD CONSTRAINT")
    assert len(documents.indexes) == keys + len(re.findall("^CREATE (UNIQUE )?INDEX", text, re.M))
