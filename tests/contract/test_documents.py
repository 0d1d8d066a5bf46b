"""Every command in the documents is one that there is: parsed by what would run it, and its words known to the project."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from services.command import main, session
from services.command.server import Exit
from shared.pictures.public_paths import PUBLIC_PATHS
from tests.contract.test_package import nginx_settings, settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy/nginx/README.md"]
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
OTHERS = {"RABBITMQ_PASSWORD"}
"""That only compose.yaml reads."""


def blocks(document: Path) -> Iterator[str]:
    """What is to be typed into a shell."""
    for language, block in re.findall(r"```(\w*)\n(.*?)```", document.read_text(), re.DOTALL):
        if language == "sh" or (
            not language and not block.lstrip().startswith(("browser", "$", "<volume>", " b"))
        ):
            yield block


def commands(document: Path) -> Iterator[list[str]]:
    """Each line's words; besides blocks, what is named in text as a command of ours."""
    text = document.read_text()
    lines = [line for block in blocks(document) for line in block.splitlines()]
    lines += re.findall(r"`((?:onesheet|make) [^`]+)`", text)
    lines += re.findall(r"`[^`]*`, `((?:onesheet|make) [^`]+)`", text)
    for line in lines:
        plain = re.sub(r"<([a-z ]+)>", "7", line)
        if words := shlex.split(plain, comments=True):
            yield words


def typed(words: Iterable[str]) -> None:
    taken(tuple(words))


@cache
def taken(words: Sequence[str]) -> None:
    """Raise AssertionError for what the command line does not take."""
    if words == ("--install-completion",):  # it would, in whoever's home this is
        words = ("--help",)
        assert "--install-completion" in CliRunner().invoke(main.app, words).output
    result = CliRunner().invoke(main.app, words)
    assert result.exit_code == 0, f"onesheet {shlex.join(words)}: {result.output}"


def made(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[0] in targets, words


def composed(words: list[str]) -> None:
    assert words[0] == "compose", words
    profiles = {
        profile for service in COMPOSE["services"].values() for profile in service.get("profiles", ())
    }
    for option, value in pairwise(words):
        assert option != "--profile" or value in profiles, value
        assert option != "--scale" or value.partition("=")[0] in COMPOSE["services"], value
    if "exec" in words:
        service, program, *rest = words[words.index("exec") + 1 :]
        assert (service in COMPOSE["services"], program) == (True, "onesheet")
        typed(rest)


def set_to(words: list[str]) -> None:
    named = {word.partition("=")[0] for word in words}
    assert named <= settings() | nginx_settings() | OTHERS, named


def asked(words: list[str]) -> None:
    urls = [urlsplit(word) for word in words if word.startswith("http")]
    forms = [PUBLIC_PATHS.source.pattern, "/t/p/"]
    assert all(any(url.path.startswith(form) for form in forms) for url in urls), words


def anything(_words: list[str]) -> None:
    """Of the system, and nothing of ours in it."""


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "onesheet": typed,
    ".venv/bin/onesheet": typed,
    "make": made,
    "docker": composed,
    "export": set_to,
    "curl": asked,
    "echo": lambda words: set_to(words[:1]),
    "deploy/nginx/render": anything,  # test_nginx_front renders
    **dict.fromkeys(("nginx", "rabbitmqctl", "systemctl", "useradd", "python3", "cp"), anything),
    "/opt/onesheet/bin/pip": anything,
    ".venv/bin/python": anything,
}


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is parsed, and not done."""
    monkeypatch.setattr(session, "failing_with_sentences", lambda _run: 0)
    monkeypatch.setattr(main, "replace_process", lambda _module: None)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_command_is_one_that_there_is(document: Path, parsing: None) -> None:
    for block in blocks(document):
        subprocess.run(["sh", "-n"], input=block.encode(), check=True)
    for words in commands(document):
        given = [word for word in words if re.fullmatch(r"[A-Z_]+=.*", word)]
        set_to(given if given == words[: len(given)] else [])  # before a command, or lines of .env
        if rest := words[len(given) :] if given == words[: len(given)] else words:
            assert rest[0] in CHECKS, f"{document.name}: {rest[0]} is not known to this test"
            CHECKS[rest[0]](rest[1:])


def test_nothing_is_installed_by_the_name_that_is_somebody_else_s() -> None:
    for document in (*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "ARCHITECTURE.md"):
        assert not re.search(r"pip3? install (?:-\S+ )*onesheet\b(?!-server)", document.read_text()), document
    assert 'name = "onesheet-server"' in (ROOT / "pyproject.toml").read_text()


def test_the_command_s_document_has_every_command_and_code(parsing: None) -> None:
    text = (ROOT / "docs/command.md").read_text()
    groups = [("", main.app)]
    groups += [
        (f"{one.name} ", one.typer_instance) for one in main.app.registered_groups if one.typer_instance
    ]
    names = [
        f"{prefix}{command.name or (command.callback.__name__ if command.callback else '')}"
        for prefix, group in groups
        for command in group.registered_commands
    ]
    assert {"backup", "dead drop", "volume copy"} <= set(names)
    assert [name for name in names if f"`onesheet {name}" not in text] == []
    assert [code for code in Exit if f"| {code.value} |" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_a_document_leads_to_is_there(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target
