"""The completions in the shells themselves: bash, zsh and fish, as their users have them after one line of set-up."""

import os
import pty
import re
import select
import shlex
import subprocess
import time

import pytest

from s3c_actions.cli import completion
from s3c_actions.cli.parser import SHELLS
from s3c_actions.options.command import COMMANDS
from tests.support import debian

CASES = [
    ("s3c trus", "trust"),
    ("s3c help mir", "mirror"),
    ("s3c scan --fail", "--fail-on"),
    ("s3c scan --fail-on CRI", "CRITICAL"),
    ("s3c scan --policy pol", "policy.yaml"),
    ("s3c gate pau", "pause"),
    ("s3c sign --key-pem", "--key-pem-file"),
    ("s3c deploy --qui", "--quiet"),
]


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, tmp_path_factory):
    """A shell's completion of a line: what the last word can become."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "policy.yaml").touch()
    (folder / "_s3c").write_text(completion.script(request.param))
    program = str(debian.program(request.param, request.param))
    complete = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}[request.param]
    return lambda line: complete(program, folder, line)


def ended(argv, folder):
    around = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    run = subprocess.run(argv, cwd=folder, env=around, capture_output=True, text=True, check=True, timeout=60)
    assert not run.stderr, run.stderr
    return run.stdout


def in_bash(program, folder, line):
    words = " ".join(map(shlex.quote, line.split(" ")))
    script = f"""source ./_s3c
spec=($(complete -p s3c))
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}
for place in "${{!spec[@]}}"; do [ "${{spec[place]}}" = -F ] && function=${{spec[place + 1]}}; done
"$function" s3c "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return {word.strip() for word in ended([program, "--norc", "-c", script], folder).splitlines()}


def in_fish(program, folder, line):
    completions = ended([program, "--no-config", "-c", f"source ./_s3c; complete -C {shlex.quote(line)}"], folder)
    return {word.partition("\t")[0] for word in completions.splitlines()}


def in_zsh(program, folder, line):
    """Typed at a terminal: zsh has its completions nowhere else."""
    main, terminal = pty.openpty()
    around = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        [program, "-f", "-i"], cwd=folder, env=around, stdin=terminal, stdout=terminal, stderr=terminal
    ) as zsh:
        os.close(terminal)
        try:
            setup = "PS1=; setopt menu_complete; fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -D; "
            setup += "show() { print -r -- \"[[$BUFFER]]\" }; zle -N show; bindkey '^X' show; print READY-NOW"
            os.write(main, f"{setup}\n".encode())
            read_until(main, rb"READY-NOW\r\n")
            os.write(main, f"{line}\t\x18".encode())
            output = read_until(main, rb"\[\[s3c .*?\]\]")
        finally:
            zsh.kill()
            os.close(main)
    completed = re.findall(r"\[\[(.*?)\]\]", output)[-1].rstrip()
    return {completed.rpartition(" ")[2]}


def read_until(terminal, pattern):
    output, until = b"", time.monotonic() + 60
    while not re.search(pattern, output):
        assert time.monotonic() < until, output
        if select.select([terminal], [], [], 1)[0]:
            output += os.read(terminal, 65536)
    return output.decode(errors="replace")


@pytest.mark.parametrize(("line", "word"), CASES, ids=[line for line, _ in CASES])
def test_a_word_is_completed(shell, line, word):
    assert shell(line) == {word}


def test_every_command_is_offered(shell, request):
    if request.node.callspec.params["shell"] != "zsh":  # it lists them on the screen, and completes nothing
        first = {name.partition(" ")[0] for name in COMMANDS}
        assert {*first, "help", "version", "completion"} <= shell("s3c ")
