"""Inputs for the Azure identity; those of single services are with the commands that use them."""

from __future__ import annotations

import re

from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import choice

CLOUD_NAMES = ("public", "usgovernment", "china")

SOURCES = ("auto", "github-oidc", "workload-identity", "environment", "azure-cli", "managed-identity")


def tenant(value: str) -> str:
    """Parse a tenant's id, or one of its domains."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", value.strip()):
        raise ValueError("the id of a tenant, or one of its domains")
    return value.strip()


def guid(value: str) -> str:
    """Parse a GUID, and return it in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value.strip()):
        raise ValueError("an id such as 00000000-0000-0000-0000-000000000000")
    return value.strip().lower()


def https_host(value: str) -> str:
    """Parse an https host, with or without the scheme, and return the host."""
    match = re.fullmatch(r"(?:https://)?([A-Za-z0-9.-]+(?::\d{1,5})?)/?", value.strip())
    if not match:
        raise ValueError("a host, such as login.microsoftonline.us")
    return match[1].lower()


class IdentityOptions(Group):
    """The Azure identity to log in as."""

    tenant_id = Input(
        name="tenant-id",
        metavar="ID",
        help="The Microsoft Entra tenant (directory) to log in to. Without it, `AZURE_TENANT_ID`.",
        parse=tenant,
        absent="",
        example="72f988bf-86f1-41af-91ab-2d7cd011db47",
    )
    client_id = Input(
        name="client-id",
        metavar="ID",
        help="The application (client) to log in as: one with a federated credential for this workflow, or a "
        "user-assigned managed identity. Without it, `AZURE_CLIENT_ID`.",
        parse=guid,
        absent="",
        example="1f2d3c4b-0000-4000-8000-5a6b7c8d9e0f",
    )
    azure_cloud = Input(
        name="azure-cloud",
        metavar="CLOUD",
        help="The Azure cloud: where one logs in, and what the names of its services end in.",
        parse=choice(*CLOUD_NAMES),
        default="public",
        absent="public",
        choices=CLOUD_NAMES,
    )
    authority_host = Input(
        name="authority-host",
        metavar="HOST",
        help="Host to log in at, when it is another than the cloud's own. Without it, `AZURE_AUTHORITY_HOST`.",
        parse=https_host,
        absent="",
        example="login.microsoftonline.us",
    )
    azure_identity = Input(
        name="azure-identity",
        metavar="SOURCE",
        help="How to log in to Azure. `auto` takes the first that is there, in this order, and tells which.",
        parse=choice(*SOURCES),
        default="auto",
        absent="auto",
        choices=SOURCES,
    )
