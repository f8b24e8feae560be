"""List the repositories of a registry.

The catalog is no part of the distribution specification; Docker's registry, Azure Container Registry, Harbor and others
have it: https://distribution.github.io/distribution/spec/api/#catalog
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.registry.content import MAX_MANIFEST, invalid_answer, parse_json_object

if TYPE_CHECKING:
    from s3c_actions.registry.reading import Registry

MAX_PAGES = 500
PAGE = 1000


def list_repositories(registry: Registry, host: str, prefix: str, *, field: str) -> tuple[str, ...]:
    """Return every repository of a registry whose name begins with a prefix, sorted.

    Args:
        registry: the client.
        host: of the registry.
        prefix: of the names; empty for all.
        field: the input it came from, for the error.

    Raises:
        InputError: the registry lists no repositories, or none begins so.
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    place = Reference(host, prefix or "_catalog")
    path = "/v2/_catalog?" + urlencode({"n": PAGE})
    names: set[str] = set()
    for _ in range(MAX_PAGES):
        response = registry.connection.request("GET", place, path, expected=(200, 400, 404, 405, 501))
        if response.status_code != 200:
            registry.connection.dismiss(response, place)
            raise InputError(
                field,
                f"{host} lists no repositories (HTTP {response.status_code}).",
                cause="It has no catalog, as Docker Hub and GitHub's registry, or does not show it.",
                remedy="Name the repositories, each with its `tags`.",
                image=f"{host}/{prefix}",
            )
        refuse = partial(invalid_answer, place)
        page = parse_json_object(registry.connection.body(response, place, MAX_MANIFEST), refuse).get("repositories")
        if not isinstance(page, list):
            if page is not None:
                raise refuse("its list of repositories is not a list")
            page = []
        names |= {name for name in page if isinstance(name, str) and name.startswith(prefix) and _is_name(host, name)}
        link = response.links.get("next", {}).get("url", "")
        following = urljoin(response.url, link) if link else ""
        if not following or following == path:
            break
        path = following
    else:
        raise invalid_answer(place, f"its list of repositories has more than {MAX_PAGES} pages")
    if not names:
        raise InputError(
            field,
            f"no repository of {host} begins with {prefix or 'anything'}.",
            remedy="Look at the name, and at what the credentials may see.",
            image=f"{host}/{prefix}",
        )
    return tuple(sorted(names))


def _is_name(host: str, name: str) -> bool:
    try:
        return Reference.parse(f"{host}/{name}") == Reference(host, name)
    except S3CError:
        return False
