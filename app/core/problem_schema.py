"""Problem details as a schema, for every OpenAPI document that describes our errors."""

from typing import Any

from pydantic import BaseModel, Field

REFERENCE = "#/components/schemas/{model}"
"""Where a document keeps its schemas."""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The field; places in a list are numbers, like `aliases.0`.")
    detail: str = Field(description="What is wrong. Never repeats what was sent.")


class Problem(BaseModel):
    """Problem details (RFC 9457): how every error is answered."""

    type: str = Field(description="A page about this kind of error.")
    title: str = Field(description="The kind of error in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, and what to do now.")
    code: str = Field(description="A stable code to decide by.")
    request_id: str = Field(description="The call's id, for the log and for support.")
    errors: list[FieldProblem] | None = Field(
        None, description="With `invalid_request`: which fields, and why."
    )


def problem_schemas() -> dict[str, Any]:
    """`Problem` and what it refers to, by name."""
    schema = Problem.model_json_schema(ref_template=REFERENCE)
    return {**schema.pop("$defs", {}), Problem.__name__: schema}
