"""A JSON schema in words and by example, for the reference page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 3
_MOST_CHOICES = 12
_SAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 0.5,
    "boolean": True,
    "null": None,
}
_BOUNDS = (
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minimum", "maximum", ""),
    ("exclusiveMinimum", "exclusiveMaximum", "(exclusive)"),
)


@dataclass(frozen=True)
class Field:
    """One field of a body, or one parameter: its name, as `results[].score`, and what may be in."""

    name: str
    kind: str
    is_required: bool
    description: str
    where: str = ""


class Schemas:
    """Reads the schemas of one document, following its references."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def resolve(self, part: Any) -> Mapping[str, Any]:
        """The part itself where there is only a reference to it; {} where that leads nowhere."""
        for _ in range(10):  # a reference may lead to one, but not for ever
            if not isinstance(part, Mapping):
                return {}
            reference = part.get("$ref")
            if not isinstance(reference, str):
                return part
            part = self._at(reference)
        return {}

    def fields(self, schema: Any, *, before: str = "", depth: int = 0) -> Iterator[Field]:
        """The fields of an object, or of the objects in a list, those within them after each."""
        found = self._object_in(schema)
        required = found.get("required", [])
        for name, inner in found.get("properties", {}).items():
            path = f"{before}{name}"
            yield Field(path, self.kind(inner), name in required, self.description(inner))
            if depth < _DEEPEST:
                below = f"{path}[]." if self._is_list(inner) else f"{path}."
                yield from self.fields(inner, before=below, depth=depth + 1)

    def description(self, schema: Any) -> str:
        """What is said of it where it is used, or else where it is defined."""
        said = schema.get("description", "") if isinstance(schema, Mapping) else ""
        return str(said or self.resolve(schema).get("description", ""))

    def kind(self, schema: Any) -> str:
        """What may stand there, in a few words."""
        found = self.resolve(schema)
        choices = [one for key in ("anyOf", "oneOf") for one in found.get(key, [])]
        if choices:
            return " or ".join(dict.fromkeys(self.kind(one) for one in choices))
        if "const" in found:
            return _literal(found["const"])
        if "enum" in found:
            shown = [_literal(one) for one in found["enum"][:_MOST_CHOICES]]
            return ", ".join(shown) + (", …" if len(found["enum"]) > _MOST_CHOICES else "")
        named = found.get("type", "object" if "properties" in found else "anything")
        kinds = named if isinstance(named, list) else [named]
        words = " or ".join(self._word(str(kind), found) for kind in kinds)
        return ", ".join([words, *_bounds(found)])

    def example(self, schema: Any, *, depth: int = 0) -> Any:
        """What the schema gives as its example, or one made up of its parts."""
        found = self.resolve(schema)
        given = [found["example"]] if "example" in found else found.get("examples") or []
        for value in [*given, *_only(found)]:
            return value
        for one in [*found.get("anyOf", []), *found.get("oneOf", []), *found.get("allOf", [])]:
            return self.example(one, depth=depth)
        named = found.get("type", "object")
        kind = named[0] if isinstance(named, list) else named
        if kind == "array":
            return [self.example(found.get("items"), depth=depth + 1)] if depth < _DEEPEST else []
        if kind != "object":
            return _SAMPLES.get(str(kind))
        names = found.get("properties", {}) if depth <= _DEEPEST else {}
        wanted = found.get("required") or list(names)
        return {
            name: self.example(inner, depth=depth + 1)
            for name, inner in names.items()
            if name in wanted
        }

    def in_order(self, value: Any, schema: Any) -> Any:
        """The value, its fields in the schema's order: generators of documents sort examples."""
        if isinstance(value, list):
            return [self.in_order(one, self._object_in(schema)) for one in value]
        if not isinstance(value, dict):
            return value
        names = self._object_in(schema).get("properties", {})
        ordered = [*filter(value.__contains__, names), *(one for one in value if one not in names)]
        return {name: self.in_order(value[name], names.get(name)) for name in ordered}

    def _at(self, reference: str) -> Any:
        part: Any = self._document if reference.startswith("#/") else {}
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            part = part.get(name, {}) if isinstance(part, Mapping) else {}
        return part

    def _word(self, kind: str, schema: Mapping[str, Any]) -> str:
        if kind == "array":
            return f"list of {self.kind(schema.get('items', {}))}"
        given = schema.get("format")
        return f"{kind} ({given})" if given and kind == "string" else kind

    def _is_list(self, schema: Any) -> bool:
        return any(one.get("type") == "array" for one in self._choices(schema))

    def _object_in(self, schema: Any) -> Mapping[str, Any]:
        """The first object that may stand there, itself or in a list."""
        for one in self._choices(schema):
            if "properties" in one:
                return one
            if one.get("type") == "array":
                return self._object_in(one.get("items", {}))
        return {}

    def _choices(self, schema: Any) -> list[Mapping[str, Any]]:
        found = self.resolve(schema)
        more = [self.resolve(one) for key in ("anyOf", "oneOf") for one in found.get(key, [])]
        return [found, *more]


def _only(schema: Mapping[str, Any]) -> list[Any]:
    """The values that the schema itself names, the likeliest first."""
    if "const" in schema:
        return [schema["const"]]
    return [*([schema["default"]] if "default" in schema else []), *schema.get("enum", [])[:1]]


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for least, most, unit in _BOUNDS:
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            yield f"{low:g} to {high:g} {unit}".strip()
        elif high is not None:
            yield f"at most {high:g} {unit}".strip()
        elif low is not None:
            yield f"at least {low:g} {unit}".strip()
