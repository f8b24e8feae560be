"""Requests to Azure: sessions that use no credentials but those of the request, and single requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from s3c_actions.azure.libraries import azure_core, azure_exceptions, azure_policies, azure_rest, azure_transport
from s3c_actions.core import response_limits, web

CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0


class Reply(msgspec.Struct, frozen=True):
    """An answer, and how often it was asked for."""

    status: int
    headers: Mapping[str, str]
    body: str
    tries: int


class UnreachableError(Exception):
    """There was no answer; `tries` says how often it was tried."""

    def __init__(self, original: str, tries: int) -> None:
        super().__init__(original)
        self.tries = tries


def create_transport(*, connect: float = CONNECT_SECONDS, read: float = 60.0) -> azure_transport.RequestsTransport:
    """Create a transport for an Azure client; every client gets one, because their own reads ~/.netrc.

    Args:
        connect: seconds within which a connection has to be established.
        read: seconds within which a part of an answer has to arrive.
    """
    return azure_transport.RequestsTransport(
        session=web.create_session(), connection_timeout=connect, read_timeout=read
    )


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request that may be repeated; it is, as `retries` says, and nothing is logged.

    Args:
        method: of the request.
        url: of the request, without a query.
        headers: besides azure-core's.
        params: of the query.
        form: the fields of an `application/x-www-form-urlencoded` body.

    Raises:
        UnreachableError: there was no answer.
    """
    from s3c_actions.azure.retries import Retries

    response_limits.install_limits()
    retries = Retries()
    client: azure_core.PipelineClient[Any, Any] = azure_core.PipelineClient(
        url, policies=[azure_policies.UserAgentPolicy("s3c"), retries], transport=create_transport(read=READ_SECONDS)
    )
    request = azure_rest.HttpRequest(
        method,
        url,
        headers=dict(headers or {}),
        params=dict(params or {}),
        data=dict(form) if form is not None else None,
    )
    try:
        with client, client.send_request(request) as response:
            return Reply(response.status_code, dict(response.headers), response.text(), retries.tries)
    except azure_exceptions.AzureError as error:
        raise UnreachableError(str(error), retries.tries) from None
