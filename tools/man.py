"""The man page, `docs/s3c.1`, of the declarations: commands, what every command takes, exit codes, variables, files.

It is written in man(7), for mandoc and groff; `tools.docs` writes the file.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping

from s3c_actions import REPOSITORY
from s3c_actions.cli.parser import COMMON_INPUTS, WORDS
from s3c_actions.core.folders import CACHE_VARIABLE, STATE_VARIABLE
from s3c_actions.options.command import COMMANDS
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.declare import Input, variable

DATE = "2026-11-30"
"""Of the sentences that stand here."""
_VARIABLES = {
    variable("FLAG"): "Every flag is a variable too: `S3C_FAIL_ON` is `--fail-on`. The flag wins; an empty variable "
    "counts as not given. One that begins with `S3C_` and is an input of no command ends the command with exit code 2.",
    CACHE_VARIABLE: "Folder of programs and databases that are kept between runs.",
    STATE_VARIABLE: "Private folder of the records of what was installed, by which the cache is believed.",
}
_FILES = {
    "s3c-policy.yaml": "The policy that `--policy` names: the signers, evidence and contents that an image needs.",
    "fleet.yaml": "The images that `s3c fleet plan` selects.",
    f"{OutputOptions.output_dir.default}/": "Where reports, `summary.md` and `result.json` are written.",
    "~/.docker/config.json": "Logins to registries, as Docker has them.",
    "~/.cache/s3c": f"The cache, unless `{CACHE_VARIABLE}` names another folder.",
    "~/.local/state/s3c": f"The records, unless `{STATE_VARIABLE}` names another folder.",
}


def page(exit_codes: Iterable[tuple[int, str]]) -> str:
    """Return the page.

    Args:
        exit_codes: with their meanings.
    """
    flags = {_flags(option): option.help for option in COMMON_INPUTS}
    flags |= {"-h, --help": "Show the inputs that matter most, or all.", "-V, --version": "Show the version."}
    sections = {
        "COMMANDS": [*_list(COMMANDS), *_list(WORDS)],
        "OPTIONS": [_text("Every command takes these. `s3c help COMMAND` has its own."), *_list(flags)],
        "EXIT STATUS": _list({str(code): f"{text[:1].upper()}{text[1:]}." for code, text in exit_codes}),
        "ENVIRONMENT": _list(_VARIABLES),
        "FILES": _list(_FILES),
        "SEE ALSO": [_text(f"`s3c help`, `s3c help COMMAND`, https://github.com/{REPOSITORY}/tree/v1/docs")],
    }
    return "\n".join(
        [
            '.\\" generated: make docs',
            f'.TH S3C 1 {DATE} s3c "User Commands"',
            ".SH NAME",
            "s3c \\- scan, patch, sign and verify container images",
            ".SH SYNOPSIS",
            ".B s3c",
            "\\fICOMMAND\\fR [\\fIIMAGE\\fR ...] [\\fI\\-\\-flags\\fR]",
            ".SH DESCRIPTION",
            _text(
                "One reference comes in, and every step hands on a digest: images are scanned, patched, scanned again, "
                "signed and verified, and deployed behind a gate that is proved. Nothing has to be installed besides: "
                "Trivy, Copa, notation and the others are brought by the command that needs them."
            ),
            *(line for name, lines in sections.items() for line in (f".SH {name}", *lines)),
            "",
        ]
    )


def _flags(option: Input[bool]) -> str:
    return ", ".join([f"-{option.short}"] * bool(option.short) + [option.flag])


def _list(entries: Mapping[str, str]) -> list[str]:
    return [line for name, text in entries.items() for line in (".TP", f"\\fB{_escape(name)}\\fR", _text(text))]


def _text(text: str) -> str:
    """Return a paragraph, each sentence on lines of its own; what is in backquotes is bold."""
    marked = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _escape(text))
    sentences = re.split(r"(?<=\.) (?=[A-Z])", marked)
    lines = (line for sentence in sentences for line in textwrap.wrap(sentence, 78, break_on_hyphens=False))
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def _escape(text: str) -> str:
    """Return text whose characters are shown as they are: hyphens that can be copied, plain quotes."""
    for plain, escaped in (("\\", "\\e"), ("-", "\\-"), ("~", "\\(ti"), ("'", "\\(aq"), ("…", "...")):
        text = text.replace(plain, escaped)
    return text
