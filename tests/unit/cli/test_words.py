"""What is asked of s3c itself: help, version, completions; and a command line without a command says what is wrong."""

import io

import pytest

from s3c_actions import __main__ as main
from s3c_actions import __version__
from s3c_actions.cli import help_text, parser, words
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.options.command import COMMANDS, load


def run_word(*argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return words.run(argv, {}, out, err), out.getvalue(), err.getvalue()


@pytest.fixture
def dispatched(monkeypatch, capsys):
    """How the process ends, and its two streams."""
    monkeypatch.setattr("signal.signal", lambda *_handler: None)

    def run(*argv: str) -> tuple[int, str, str]:
        code = main.main(list(argv))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


@pytest.mark.parametrize("argv", [("version",), ("-V",), ("--version",), ("-q", "--version"), ("--version", "scan")])
def test_the_version(argv, dispatched) -> None:
    assert dispatched(*argv) == (Exit.DONE, f"s3c {__version__}\n", "")


@pytest.mark.parametrize("argv", [("help",), ("-h",), ("--help",), ("help", "help"), ("-v", "--help")])
def test_the_overview_has_every_command_and_word(argv, dispatched) -> None:
    code, out, err = dispatched(*argv)
    assert (code, err) == (Exit.DONE, "")
    assert all(f"\n  {name} " in out for name in (*COMMANDS, *parser.WORDS))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_its_long_help_text_and_h_the_short_one(name, dispatched) -> None:
    long = dispatched(name, "--help")
    assert dispatched("help", name) == dispatched("--help", name) == long
    short = dispatched(name, "-h")
    assert (short[0], short[2], long[0], long[2]) == (Exit.DONE, "", Exit.DONE, "")
    assert short == dispatched("-h", name)
    assert len(short[1]) <= len(long[1])


@pytest.mark.parametrize("word", ["version", "completion"])
def test_help_of_a_word_says_what_it_does(word) -> None:
    code, out, _ = run_word("help", word)
    assert (code, parser.WORDS[word] in out) == (Exit.DONE, True)


@pytest.mark.parametrize(
    ("argv", "problem", "remedy"),
    [
        ((), "no command is given", "s3c help"),
        (("-q",), "no command is given", "s3c help"),
        (("--versoin",), "'--versoin' is not a flag of s3c", "Did you mean --version?"),
        (("--hlep=x",), "'--hlep' is not a flag of s3c", "s3c help"),
        (("-x",), "'-x' is not a flag of s3c", "s3c help"),
        (("hlep",), "'hlep' is not a command", "Did you mean `s3c help`?"),
        (("help", "scna"), "'scna' is not a command", "Did you mean `s3c scan`?"),
        (("help", "scan", "sign"), "help is shown of one command", "s3c help COMMAND"),
        (("help", "--all"), "takes no flags", "s3c help COMMAND"),
        (("completion",), "printed for one shell", "bash, zsh, fish"),
        (("completion", "bsh"), "no completions for 'bsh'", "Did you mean bash?"),
        (("completion", "bash", "-v"), "takes no flags", "bash, zsh, fish"),
        (("scan", "-V"), "stands before a command", "s3c version"),
        (("scan", "x", "--no-reuse"), "--reuse: it takes a value", "`--reuse false`"),
        (("scan", "x", "--no-offline-skan"), "is not a flag of `s3c scan`", "s3c scan --help"),
        (("scan", "x", "--output-dir", "-"), "--output-dir: '-' is not a path", "./-"),
        (("scan", "x", "-f"), "--format: given without a value", "s3c scan --help"),
        (("scan", "x", "--image-reff", "y"), "is not a flag of `s3c scan`", "Did you mean --image-ref?"),
        (("sign", "x", "--key-pem-fil", "y"), "is not a flag of `s3c sign`", "Did you mean --key-pem-file?"),
        (("gate", "instal"), "task: 'instal'", "Did you mean install?"),
        (("scan", "help"), "`help` stands where the arguments do", "`s3c help scan`"),
        (("gate",), "task: none is given", "`s3c gate install`"),
        (("trust",), "task: none is given", "`s3c trust export`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_says_in_words_what_is_wrong(argv, problem, remedy, dispatched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = dispatched(*argv)
    assert (code, out) == (Exit.WRONG_INPUT, "")
    assert problem in err
    assert remedy in err


@pytest.fixture
def _family(monkeypatch):
    """A name of two words for a command that there is."""
    names = {"gate": "Install.", "more scan": "Find.", "more sign": "Sign."}
    for module in (parser, help_text):
        monkeypatch.setattr(module, "COMMANDS", names)
    monkeypatch.setattr(words, "load", lambda name: load(name.removeprefix("more ")))


@pytest.mark.usefixtures("_family")
@pytest.mark.parametrize("argv", [("help", "more", "scan"), ("more", "scan", "--help"), ("--help", "more", "scan")])
def test_help_of_a_command_of_two_words(argv) -> None:
    assert run_word(*argv) == (Exit.DONE, help_text.command_help(load("scan")), "")


@pytest.mark.usefixtures("_family")
@pytest.mark.parametrize("argv", [("help", "more"), ("more", "-h"), ("more", "--help")])
def test_help_of_the_first_word_lists_its_commands(argv) -> None:
    code, out, _ = run_word(*argv)
    assert (code, "more scan  Find." in out, "gate" in out) == (Exit.DONE, True, False)


@pytest.mark.usefixtures("_family")
@pytest.mark.parametrize(
    ("argv", "problem", "remedy"),
    [
        (("help", "more", "scna"), "'more scna' is not a command", "Did you mean `s3c more scan`?"),
        (("help", "more", "scan", "gate"), "help is shown of one command", "s3c help COMMAND"),
        (("more", "scna", "-h"), "'more scna' is not a command", "There are more scan, more sign."),
    ],
)
def test_a_wrong_second_word_says_which_there_are(argv, problem, remedy) -> None:
    code, out, err = run_word(*argv)
    assert (code, out) == (Exit.WRONG_INPUT, "")
    assert problem in err
    assert remedy in err


@pytest.mark.usefixtures("_family")
def test_a_name_of_two_words_is_joined_and_flags_before_it_stay() -> None:
    assert parser.join_words("more", ["-q", "scan", "x"]) == ("more scan", ["-q", "x"])
    assert parser.join_words("more", ["-q"]) == ("more", ["-q"])
    assert parser.join_words("gate", ["install"]) == ("gate", ["install"])
    with pytest.raises(InputError, match="first word of several commands"):
        parser.command_name("more")
