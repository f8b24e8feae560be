import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference, is_image_id

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


ID = "3f" * 32


@pytest.mark.parametrize(
    ("text", "cause", "correction"),
    [
        (f"library/nginx:{DIGEST}", "a digest follows an @", f"'library/nginx@{DIGEST}'"),
        ("app:1@sha256:abc", "it has 3 hexadecimal digits, and sha256 has 64", ""),
        (f"app@{ID}", "lacks its algorithm, sha256:", f"'app@sha256:{ID}'"),
        (f"app@sha256:{ID.upper()}", "whose letters are small", f"'app@sha256:{ID}'"),
        ("https://ghcr.io/acme/app:1", "it begins with https://", "'ghcr.io/acme/app:1'"),
        ("docker://nginx", "it begins with docker://", "'nginx'"),
        ("ghcr.io/Acme/App:1", "'Acme/App' is not a repository name", "'ghcr.io/acme/app:1'"),
        ("localhost:5000/App:1.0", "'App' is not a repository name", "'localhost:5000/app:1.0'"),
        ("ghcr.io/acme/app:feature/x", "'feature/x' is not a tag", "'ghcr.io/acme/app:feature-x'"),
        ("app:1.0 ", "blanks around it", "'app:1.0'"),
        ("nginx:", "no tag follows the colon", "'nginx'"),
        ("a//b", "is not a repository name", ""),
    ],
)
def test_a_mistyped_reference_is_explained(text: str, cause: str, correction: str) -> None:
    with pytest.raises(InputError) as caught:
        Reference.parse(text)
    assert cause in caught.value.what
    meant = correction if len(correction) <= 42 else f"{correction[:40]}…'"
    assert caught.value.remedy.startswith(f"Did you mean {meant}?" if correction else "Write it as registry/")


@pytest.mark.parametrize("text", [ID, f"sha256:{ID}"])
def test_an_image_id_is_no_reference(text: str) -> None:
    assert is_image_id(text)
    with pytest.raises(InputError, match="is the id of an image") as caught:
        Reference.parse(text)
    assert "registry/repository:tag" in caught.value.remedy


@pytest.mark.parametrize("text", [ID[:12], f"a/{ID}", f"sha256:{ID[:12]}", f"app@sha256:{ID}", ID.upper()])
def test_what_is_no_whole_id(text: str) -> None:
    assert not is_image_id(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("./image.tar", "no path of a file"),
        ("/srv/image.tar", "no path of a file"),
        (".", "no path of a file"),
        ("$IMAGE", "A variable in it was not filled in"),
        ("${{ env.IMAGE }}", "A variable in it was not filled in"),
        ("ghcr.io/$(Owner)/app:1", "A variable in it was not filled in"),
        ("<your-image>:1", "A variable in it was not filled in"),
    ],
)
def test_a_path_or_a_variable_in_place_of_a_reference_is_recognized(text: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        Reference.parse(text)
    assert remedy in caught.value.remedy
    assert "library/" not in caught.value.what
