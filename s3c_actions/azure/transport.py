"""The transport of Azure's libraries: sessions that use no credentials but those of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core import web

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport


def create_transport(*, connect: float = 10.0, read: float = 60.0) -> RequestsTransport:
    """Create a transport for an Azure client; every client gets one, because their own reads ~/.netrc.

    Args:
        connect: seconds within which a connection has to be established.
        read: seconds within which a part of an answer has to arrive.
    """
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(session=web.create_session(), connection_timeout=connect, read_timeout=read)
