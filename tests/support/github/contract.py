"""What GitHub says its interfaces are: every call to the stand-in server, and every answer of it, is held to it.

REST: the OpenAPI description of npm's @octokit/openapi; what it does not describe is a violation. GraphQL: the schema
of @octokit/graphql-schema, by graphql-core.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import graphql
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.support import npm

EVERYWHERE = (304, 401, 403, 404, 429, 500, 502, 503, 504)
"""Statuses that any call may be answered with, whether its own description names them or not: conditional requests,
authentication, permissions, limits and faults (docs.github.com, Troubleshooting the REST API)."""


@cache
def packages() -> Path:
    """The `node_modules` with both descriptions."""
    return npm.installed(Path(__file__).parent / "npm") / "@octokit"


class Violation(AssertionError):
    """A call or an answer that GitHub does not describe."""


@dataclass(frozen=True)
class Operation:
    """One described call.

    Attributes:
        template: of its path, as `/repos/{owner}/{repo}/pulls`.
        described: its OpenAPI operation.
        path: name → value of the path's parameters.
    """

    template: str
    method: str
    described: Mapping[str, Any]
    path: Mapping[str, str]


class Description:
    """One OpenAPI description: `api.github.com`, or a version of GitHub Enterprise Server as `ghes-3.19`."""

    def __init__(self, name: str) -> None:
        with (packages() / "openapi" / "generated" / f"{name}.json").open("rb") as file:
            self.document: dict[str, Any] = json.load(file)
        self._paths = [
            (_pattern(path), path) for path in sorted(self.document["paths"], key=lambda template: "{" in template)
        ]
        self._registry: Registry[Any] = Registry(retrieve=self._part)  # type: ignore[call-arg]

    def operation(self, method: str, path: str) -> Operation:
        """The call of that method and path.

        Raises:
            Violation: it is not described.
        """
        for pattern, template in self._paths:
            match = pattern.fullmatch(path)
            described = self.document["paths"][template].get(method.lower()) if match else None
            if match and described:
                return Operation(template, method.lower(), described, match.groupdict())
        raise Violation(f"{method} {path} is not described.")

    def check_request(self, operation: Operation, query: Mapping[str, list[str]], body: bytes) -> Any:
        """The JSON of a request that is as described.

        Raises:
            Violation: it is not.
        """
        where = f"{operation.method.upper()} {operation.template}"
        declared = [self._resolved(parameter) for parameter in operation.described.get("parameters", ())]
        allowed = {parameter["name"]: parameter for parameter in declared if parameter["in"] == "query"}
        for name, values in query.items():
            if name not in allowed:
                raise Violation(f"{where}: parameter {name} is not described.")
            for value in values:
                self._hold(_typed(value, self._resolved(allowed[name]["schema"])), allowed[name]["schema"], where)
        missing = [name for name, parameter in allowed.items() if parameter.get("required") and name not in query]
        if missing:
            raise Violation(f"{where}: {missing} is required.")
        for parameter in declared:
            if parameter["in"] == "path":
                value = operation.path[re.sub(r"\W", "_", parameter["name"])]
                self._hold(_typed(value, self._resolved(parameter["schema"])), parameter["schema"], where)
        expected = self._resolved(operation.described.get("requestBody") or {})
        if not expected:
            if body:
                raise Violation(f"{where}: a body is not described.")
            return None
        if not body and not expected.get("required"):
            return None
        content = json.loads(body)
        self._hold(content, expected["content"]["application/json"]["schema"], where)
        return content

    def check_response(self, operation: Operation, status: int, body: Any) -> None:
        """Hold an answer to its description.

        Raises:
            Violation: it is another.
        """
        where = f"{operation.method.upper()} {operation.template} → {status}"
        described = operation.described["responses"].get(str(status))
        if described is None and status not in EVERYWHERE:
            raise Violation(f"{where} is not described.")
        content = self._resolved(described or {}).get("content", {}).get("application/json")
        if content is not None:
            self._hold(body, content["schema"], where)
        elif status >= 400:
            self._hold(body, {"$ref": "#/components/schemas/basic-error"}, where)
        elif body is not None:
            raise Violation(f"{where} has no body.")

    def example(self, template: str, method: str = "get", status: int = 200) -> Any:
        """GitHub's own example of an answer, to be filled with what the stand-in knows."""
        content = self._resolved(self.document["paths"][template][method]["responses"][str(status)])["content"]
        examples = content["application/json"]["examples"]
        first = self._resolved(next(iter(examples.values())))
        return deepcopy(first["value"])

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            _, _, pointer = part["$ref"].partition("#/")
            part = self.document
            for name in pointer.split("/"):
                part = part[name]
        return part

    def _hold(self, value: Any, schema: Mapping[str, Any], where: str) -> None:
        # A discriminator only helps to choose among what oneOf says; the validator looks it up at another place.
        schema = {name: part for name, part in schema.items() if name != "discriminator"}
        validator = OAS30Validator(
            _schema(schema), registry=self._registry, format_checker=OAS30Validator.FORMAT_CHECKER
        )
        for error in validator.iter_errors(value):
            raise Violation(f"{where}: {error.json_path}: {error.message:.300}")

    def _part(self, address: str) -> Resource[Any]:
        """One component as a document of its own: they are many, and few are asked for."""
        return DRAFT4.create_resource(_schema(self._resolved({"$ref": f"#/{address[4:]}"})))


class GraphQL:
    """GitHub's GraphQL schema."""

    @cached_property
    def _schema(self) -> graphql.GraphQLSchema:
        text = (packages() / "graphql-schema" / "schema.graphql").read_text(encoding="utf-8")
        return graphql.build_schema(text, assume_valid=True, no_location=True)

    def answer(self, query: str, variables: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
        """What a query gets of `root`, as the schema shapes it: root holds values and functions of (info, **arguments).

        Raises:
            Violation: the query is not one of the schema's.
        """
        document = graphql.parse(query)
        errors = graphql.validate(self._schema, document)
        if errors:
            raise Violation(f"GraphQL: {errors[0].message}")
        result = graphql.execute(self._schema, document, root_value=root, variable_values=dict(variables))
        if not isinstance(result, graphql.ExecutionResult):
            raise Violation("GraphQL: an answer that is awaited.")
        for error in result.errors or ():
            if not isinstance(error.original_error, (Forbidden, Missing)):
                raise Violation(f"GraphQL: {error.message}")
        reported = [
            {"type": _type(error.original_error), "path": error.path, "message": error.message}
            for error in result.errors or ()
        ]
        return {"data": result.data, **({"errors": reported} if reported else {})}


class Forbidden(Exception):
    """What a resolver raises when the token may not do it."""


class Missing(Exception):
    """What a resolver raises when there is no such thing."""


def _type(error: Exception | None) -> str:
    return "FORBIDDEN" if isinstance(error, Forbidden) else "NOT_FOUND"


@cache
def description(name: str) -> Description:
    """A description, read once."""
    return Description(name)


@cache
def graphql_schema() -> GraphQL:
    """The GraphQL schema, read once."""
    return GraphQL()


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]+)\}", template)
    text = "".join(re.escape(part) if number % 2 == 0 else _group(part) for number, part in enumerate(parts))
    return re.compile(text)


def _group(name: str) -> str:
    # What GitHub marks with `x-multi-segment`; every other parameter is one segment.
    return f"(?P<{re.sub(r'[^a-z0-9_]', '_', name)}>{'.+' if name in {'path', 'ref'} else '[^/]+'})"


def _typed(value: str, schema: Mapping[str, Any]) -> Any:
    kinds = {"integer": int, "boolean": lambda text: text == "true"}
    try:
        return kinds.get(schema.get("type", ""), str)(value)  # type: ignore[operator]
    except ValueError:
        return value


def _schema(part: Any) -> Any:
    """A schema with addresses that the registry knows; null is among the words of a nullable enumeration.

    GitHub's server answers null there, as its examples do, and OpenAPI 3.0.3 forbids it.
    """
    if isinstance(part, list):
        return [_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    schema = {name: _schema(value) for name, value in part.items()}
    if isinstance(part.get("$ref"), str):
        schema["$ref"] = f"urn:{part['$ref'].removeprefix('#/')}"
    if part.get("nullable") is True and isinstance(part.get("enum"), list):
        schema["enum"] = [*part["enum"], None]
    return schema
