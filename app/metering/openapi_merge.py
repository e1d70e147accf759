"""Several OpenAPI documents as one, and those of version 3.0 as 3.1."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
OPENAPI_3_1 = "3.1.0"

_PREFIX = "Latchkey"
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def merge_documents(first: Mapping[str, Any], second: Mapping[str, Any]) -> Document:
    """Both documents' operations and components, in OpenAPI 3.1.

    Everything else (title, tags, …) is the first one's. Where both have the same operation, it
    is the second's; a security scheme too, for those are not referred to by `$ref`. Where both
    have another component of one name that differs, the second's gets `Latchkey` before its name.
    """
    first, second = _as_3_1(first), _renamed(_as_3_1(second), first)
    paths = {path: dict(item) for path, item in first.get("paths", {}).items()}
    for path, item in second.get("paths", {}).items():
        paths.setdefault(path, {}).update(item)
    components = {kind: dict(named) for kind, named in first.get("components", {}).items()}
    for kind, named in second.get("components", {}).items():
        components.setdefault(kind, {}).update(named)
    return {**first, "paths": paths, "components": components}


def _renamed(document: Document, other: Mapping[str, Any]) -> Document:
    """The document, with new names for components that `other` has differently."""
    names = {
        f"#/components/{kind}/{name}": f"{_PREFIX}{name}"
        for kind, named in document.get("components", {}).items()
        if kind != "securitySchemes"
        for name, component in named.items()
        if other.get("components", {}).get(kind, {}).get(name, component) != component
    }
    if not names:
        return document
    renamed: Document = _with_references(document, names)
    renamed["components"] = {
        kind: {names.get(f"#/components/{kind}/{name}", name): one for name, one in named.items()}
        for kind, named in renamed["components"].items()
    }
    return renamed


def _with_references(part: Any, names: Mapping[str, str]) -> Any:
    if isinstance(part, list):
        return [_with_references(one, names) for one in part]
    if not isinstance(part, dict):
        return part
    changed = {key: _with_references(value, names) for key, value in part.items()}
    reference = part.get("$ref")
    if isinstance(reference, str) and reference in names:
        changed["$ref"] = f"{reference.rpartition('/')[0]}/{names[reference]}"
    return changed


def _as_3_1(document: Mapping[str, Any]) -> Document:
    """The document, in OpenAPI 3.1. What 3.0 says otherwise of null and bounds is put right."""
    version = str(document.get("openapi", OPENAPI_3_1))
    found: Document = dict(document) if version.startswith("3.1") else _with_types(document)
    return {**found, "openapi": version if version.startswith("3.1") else OPENAPI_3_1}


def _with_types(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_types(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    changed = {key: _with_types(value) for key, value in part.items()}
    for bound, inclusive in _BOUNDS.items():
        if changed.get(bound) is True and inclusive in changed:
            changed[bound] = changed.pop(inclusive)
        elif isinstance(changed.get(bound), bool):
            del changed[bound]
    nullable = changed.get("nullable")
    if isinstance(nullable, bool):
        del changed["nullable"]
    return _or_null(changed) if nullable is True else changed


def _or_null(schema: Document) -> Document:
    if isinstance(schema.get("type"), str):
        enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, "type": [schema["type"], "null"], **enum}
    return {"anyOf": [schema, {"type": "null"}]}
