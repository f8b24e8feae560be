"""What `docker save` says when it saves nothing, and what to do."""

from __future__ import annotations

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain

CASES = (
    Case(
        pattern=r"reference does not exist|No such image",
        field="{field}",
        what="the local Docker has no image {image}.",
        cause="It was not built or pulled there, or has another name.",
        remedy="Look at `docker images`. An image of a registry is given without `docker:`.",
    ),
    Case(
        pattern=r"permission denied",
        what="This user may not use Docker.",
        cause="The user is not in the group docker.",
        remedy="Add the user to that group, or give the image as an archive or a reference.",
    ),
    Case(
        pattern=r"Cannot connect to the Docker daemon|failed to connect to the docker API",
        what="Docker does not answer.",
        cause="It does not run, or `DOCKER_HOST` names another place.",
        remedy="Start it, or give the image as an archive or a reference.",
    ),
)


def not_saved(output: str, image: str, field: str) -> S3CError:
    """Return the error of a `docker save` that failed.

    Args:
        output: of Docker; untrusted.
        image: that was asked for.
        field: the input that names it.
    """
    facts = {"image": image, "field": field}
    return explain(output, CASES, facts, image=image, original=output[:2000], names=(image,)) or OutsideError(
        f"Docker did not save {image}.", remedy="Look at what it says.", image=image, original=output[:2000]
    )
