"""The OpenAPI document that API_OPENAPI names: JSON, read once at start."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

METERED = "/api/v1/"


class _Server(BaseModel):
    url: str = ""


class _Shape(BaseModel):
    """What must be right of a document for its paths to be read."""

    openapi: str
    servers: list[_Server] = Field(default_factory=list)
    paths: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read_openapi(path: Path) -> dict[str, Any]:
    """The document, its paths as callers see them. Raises ValueError with what to mend.

    A path that is not under `/api/v1/` is taken to follow the path of the first server's URL,
    as in `servers: [{url: https://api.example.com/api/v1}]`.
    """
    try:
        document = json.loads(path.read_bytes())
        shape = _Shape.model_validate(document)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ValueError(f"is no OpenAPI document: {_fault(error)}") from error
    except ValueError as error:  # of the text's encoding too
        raise ValueError(f"is not JSON ({error}); convert a YAML file first") from error
    base = urlsplit(shape.servers[0].url).path.rstrip("/") if shape.servers else ""
    return {**document, "paths": {_seen(base, name): item for name, item in shape.paths.items()}}


def _seen(base: str, name: str) -> str:
    return name if name.startswith(METERED) else base + name


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{where}: {first['msg']}"
