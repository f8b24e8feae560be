"""PyGithub, imported when it is first used (`core.libraries`): it takes 0.06 s besides `requests`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.libraries import late

__all__ = ["pygithub", "pygithub_exceptions", "pygithub_retry"]

if TYPE_CHECKING:
    import github as pygithub
    import github.GithubException as pygithub_exceptions  # noqa: N813 - a module
    import github.GithubRetry as pygithub_retry  # noqa: N813 - a module
else:
    pygithub = late("github")
    pygithub_exceptions = late("github.GithubException")
    pygithub_retry = late("github.GithubRetry")
