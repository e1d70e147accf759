"""Reading requests: Stripe's bracketed forms, and typed parameters with its complaints."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from app.sandbox.errors import InvalidRequest

Tree = dict[str, Any]
_MOST_FIELDS = 1_000
_DEEPEST = 6


def parse_form(text: str) -> Tree:
    """`items[0][price]=x` as `{"items": {"0": {"price": "x"}}}`. Raises InvalidRequest."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InvalidRequest("Too many parameters.") from error
    tree: Tree = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise InvalidRequest(f"Invalid string: {name!r} holds a NUL.", param="")
        _put(tree, _path(name), value)
    return tree


def _path(name: str) -> list[str]:
    head, *rest = name.split("[")
    path = [head, *(part.removesuffix("]") for part in rest)]
    if len(path) > _DEEPEST:
        raise InvalidRequest("Parameters are nested too deeply.", param=head)
    return path


def _put(tree: Tree, path: list[str], value: str) -> None:
    *parents, leaf = path
    for place, part in enumerate(parents):
        key = part or str(len(tree))
        child = tree.setdefault(key, {})
        if not isinstance(child, dict):
            raise InvalidRequest("Invalid object", param="[".join(path[: place + 1]))
        tree = child
    tree[leaf or str(len(tree))] = value


class Params:
    """A request's parameters, taken one by one; what is left over is unknown to Stripe too."""

    def __init__(self, tree: Tree, prefix: str = ""):
        self._tree = tree
        self._prefix = prefix
        self._asked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        self._asked.add(name)
        return name in self._tree

    def text(self, name: str) -> str | None:
        """A string; "" when it is to be unset, None when it was not sent."""
        value: str | dict[str, Any] | None = self._take(name)
        if isinstance(value, dict):
            raise InvalidRequest(f"Invalid string: {name}", param=self._name(name))
        return value

    def need(self, name: str) -> str:
        """A string that must be there and not be empty."""
        value = self.text(name)
        if not value:
            param = self._name(name)
            raise InvalidRequest(
                f"Missing required param: {param}.", code="parameter_missing", param=param
            )
        return value

    def url(self, name: str) -> str | None:
        """An address with http or https, or None."""
        value = self.text(name)
        if value and not value.startswith(("http://", "https://")):
            raise InvalidRequest(
                f"Not a valid URL: {self._name(name)} must begin with http:// or https://",
                code="url_invalid",
                param=self._name(name),
            )
        return value or None

    def integer(self, name: str) -> int | None:
        """A whole number, or None."""
        value = self.text(name)
        if not value:
            return None
        try:
            return int(value)
        except ValueError as error:
            raise InvalidRequest(
                f"Invalid integer: {value}",
                code="parameter_invalid_integer",
                param=self._name(name),
            ) from error

    def boolean(self, name: str) -> bool | None:
        """True or false, or None."""
        value = self.text(name)
        if not value:
            return None
        if value not in {"true", "false"}:
            raise InvalidRequest(f"Invalid boolean: {value}", param=self._name(name))
        return value == "true"

    def choice(self, name: str, among: Iterable[str], default: str) -> str:
        """One of the words."""
        value = self.text(name) or default
        allowed = list(among)
        if value not in allowed:
            raise InvalidRequest(
                f"Invalid {self._name(name)}: must be one of {', '.join(allowed)}",
                param=self._name(name),
            )
        return value

    def inner(self, name: str) -> "Params":
        """The parameters nested under this name; none when it was not sent."""
        value = self._take(name)
        return Params(value if isinstance(value, dict) else {}, self._name(name))

    def rows(self, name: str) -> list["Params"]:
        """A list of nested parameters, in its order."""
        tree = self.inner(name)._tree
        rows = sorted(tree.items(), key=lambda row: (len(row[0]), row[0]))
        return [
            Params(row if isinstance(row, dict) else {}, f"{self._name(name)}[{key}]")
            for key, row in rows
        ]

    def words(self, name: str) -> list[str]:
        """A list of strings."""
        tree = self.inner(name)._tree
        return [value for value in tree.values() if isinstance(value, str)]

    def metadata(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """`metadata`, laid over what there was; an empty value takes a key away."""
        kept = dict(before or {})
        if self.text_or_tree("metadata") == "":
            return {}
        for key, value in self.inner("metadata")._tree.items():
            if isinstance(value, dict):
                raise InvalidRequest("Invalid string: metadata", param=f"metadata[{key}]")
            kept[key] = value
            if not value:
                del kept[key]
        return kept

    def text_or_tree(self, name: str) -> Any:
        """Whatever came under this name."""
        return self._take(name)

    def accept(self, *names: str) -> None:
        """Take these without heeding them: they change nothing that the sandbox shows."""
        self._asked.update(names)

    def refuse_unknown(self) -> None:
        """Raise InvalidRequest for what was sent and never asked for."""
        for name in self._tree:
            if name not in self._asked:
                param = self._name(name)
                raise InvalidRequest(
                    f"Received unknown parameter: {param}", code="parameter_unknown", param=param
                )

    def _take(self, name: str) -> Any:
        self._asked.add(name)
        return self._tree.get(name)

    def _name(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name
