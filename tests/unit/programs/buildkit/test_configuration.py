"""The `buildkitd.toml` of a BuildKit that s3c starts."""

import tomllib

from s3c_actions.programs.buildkit.configuration import configuration, mirrors_of


def test_a_mirror_stands_before_both_registries_of_the_tooling_image() -> None:
    read = tomllib.loads(configuration(("localhost:5000",), mirror="localhost:5000", mirror_http=True))["registry"]
    assert read["localhost:5000"] == {"http": True, "insecure": True}
    assert read["docker.io"] == read["ghcr.io"] == {"mirrors": ["localhost:5000"]}


def test_without_a_mirror_only_the_insecure_registries_are_named() -> None:
    assert list(tomllib.loads(configuration(("a.example",)))["registry"]) == ["a.example"]


def test_the_mirrors_of_a_given_file_are_read_and_a_malformed_one_names_none() -> None:
    assert mirrors_of('[registry."docker.io"]\nmirrors = ["127.0.0.1:5000"]\n') == ("127.0.0.1:5000",)
    assert mirrors_of("registry = 1") == mirrors_of("[") == mirrors_of('[registry]\nx = "y"') == ()
