"""How Azure's libraries send: by sessions of ours, which know no credentials but those of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core import web

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport


def create_transport(*, connect: float = 10.0, read: float = 60.0) -> RequestsTransport:
    """A new transport for a client of Azure's; every one is given it, for their own reads ~/.netrc.

    Args:
        connect: seconds until a connection has to be there.
        read: seconds in which something of an answer has to come.
    """
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport(session=web.create_session(), connection_timeout=connect, read_timeout=read)
