import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "", ""),
        ("team/app:1.2", "docker.io", "team/app", "1.2", ""),
        ("localhost:5000/voting-db:15.0", "localhost:5000", "voting-db", "15.0", ""),
        ("localhost/app", "localhost", "app", "", ""),
        (f"acr.example/a/b:1@{DIGEST}", "acr.example", "a/b", "1", DIGEST),
        (f"localhost:5000/app@{DIGEST}", "localhost:5000", "app", "", DIGEST),
        ("[::1]:5000/app:x", "[::1]:5000", "app", "x", ""),
        ("index.docker.io/library/nginx:1", "docker.io", "library/nginx", "1", ""),
    ],
)
def test_parts(text, registry, repository, tag, digest):
    assert Reference.parse(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "App",
        "a b",
        "localhost:5000/",
        "x:tag with blank",
        "x@sha256:abc",
        "x@md5:" + "a" * 32,
        "-x",
        "x:",
        "x@",
        "a//b",
        "$(id)",
        "x;id",
        "--help",
        "\x1b[31m",
        "a" * 300,
    ],
)
def test_malformed_text_is_refused_naming_the_field(text):
    with pytest.raises(InputError) as caught:
        Reference.parse(text, field="image-ref")
    assert caught.value.field == "image-ref"
    assert caught.value.exit_code == 2


def test_a_digest_drops_the_tag():
    assert str(Reference.parse("localhost:5000/app:1").at(DIGEST)) == f"localhost:5000/app@{DIGEST}"
