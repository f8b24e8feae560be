"""The token for GitHub."""

from __future__ import annotations

from collections.abc import Mapping

from s3c_actions.core.errors import InputError
from s3c_actions.options.github import TokenOptions
from s3c_actions.wiring.context import Context


def look_up_token(options: TokenOptions, environment: Mapping[str, str]) -> str:
    """Return the token given, else that of the variables that GitHub's own tools read; empty when there is none.

    Args:
        options: of the command.
        environment: of the process.
    """
    names = ("GITHUB_TOKEN", "GH_TOKEN")
    return options.github_token or next(filter(None, map(environment.get, names)), "")


def find_token(options: TokenOptions, context: Context, *permissions: str) -> str:
    """Return the token of `look_up_token`, hidden from now on.

    Args:
        options: of the command.
        context: of the run.
        permissions: what the token needs, as in `issues: write`; named in the error.

    Raises:
        InputError: there is no token.
    """
    token = look_up_token(options, context.environment)
    if not token:
        raise InputError(
            "github-token",
            "this input is required.",
            remedy="Set GITHUB_TOKEN, or give `github-token`. The token needs "
            f"{' and '.join(f'`{permission}`' for permission in permissions)}.",
        )
    context.secrets.add(token)
    return token
