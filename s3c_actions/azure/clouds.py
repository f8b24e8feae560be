"""The clouds of Azure: the same services under other names.

https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure#guidance-for-developers
https://learn.microsoft.com/azure/china/resources-developer-guide#check-endpoints-in-azure
"""

from __future__ import annotations

import msgspec


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """One cloud.

    Attributes:
        name: as the input `azure-cloud` has it.
        authority: host of Microsoft Entra ID.
        vaults, registries: the domains of key vaults and of container registries.
        management: host of the Resource Manager.
        exchange_audience: the audience of an outside token that is exchanged for one of Entra's:
            https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
    """

    name: str
    authority: str
    vaults: str
    registries: str
    management: str
    exchange_audience: str


PUBLIC = Cloud(
    name="public",
    authority="login.microsoftonline.com",
    vaults="vault.azure.net",
    registries="azurecr.io",
    management="management.azure.com",
    exchange_audience="api://AzureADTokenExchange",
)
CLOUDS: tuple[Cloud, ...] = (
    PUBLIC,
    Cloud(
        name="usgovernment",
        authority="login.microsoftonline.us",
        vaults="vault.usgovcloudapi.net",
        registries="azurecr.us",
        management="management.usgovcloudapi.net",
        exchange_audience="api://AzureADTokenExchangeUSGov",
    ),
    Cloud(
        name="china",
        authority="login.partner.microsoftonline.cn",
        vaults="vault.azure.cn",
        registries="azurecr.cn",
        management="management.chinacloudapi.cn",
        exchange_audience="api://AzureADTokenExchangeChina",
    ),
)


def find_cloud(name: str) -> Cloud:
    """The cloud of that name, one of CLOUDS."""
    return next(cloud for cloud in CLOUDS if cloud.name == name)
