"""The table of public paths, and what is written from it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from shared.pictures import SIZES, Kind, Role
from shared.pictures.cache_control import DAY
from shared.pictures.nginx_vocabulary import vocabulary
from shared.pictures.public_paths import PUBLIC_PATHS, TMDB_FILE, FileForm, NameForm, SourceForm

DELIVERED = Path(__file__).parents[2] / "deploy" / "nginx" / "vocabulary"


def test_nginx_is_delivered_with_the_vocabulary_of_the_table() -> None:
    """Else run `make vocabulary`."""
    assert DELIVERED.read_text() == vocabulary()


def test_a_shell_reads_the_vocabulary_as_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").write_text(vocabulary())
    script = '. ./vocabulary; printf "%s\n" "$SIZES" "$TMDB_FILE" "$DAY" "$FILES"'
    read = subprocess.run(["sh", "-euc", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    sizes, tmdb_file, day, *files = read.stdout.splitlines()
    assert (sizes.split("|"), tmdb_file, day) == (list(SIZES), TMDB_FILE, DAY)
    assert "/data/images/artwork/{other}/stream_{id} stream artwork" in files


@pytest.mark.parametrize(
    "pattern",
    [
        "/data/a_{id}",
        "/data/a_{id}_b.{format}",
        "/data/{one}{id}.{format}",
        "/data/a_{one}/{id}.{format}",
        "/data/a.b/{id}.{format}",
        "/data/a'b/{id}.{format}",
        "/data/a b/{id}.{format}",
        "/data/.{format}",
        "/{somebody}/data/{id}.{format}",
        "/data//{id}.{format}",
        "/a_{id}.{format}",
        "data/a_{id}.{format}",
    ],
)
def test_a_form_of_files_that_nginx_could_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no form of a file"):
        FileForm(pattern, "Anything", Kind.BOOK, Role.COVER)


@pytest.mark.parametrize("sort", [SourceForm, NameForm])
def test_a_table_without_a_form_that_urls_are_made_in_is_refused(
    sort: type[SourceForm] | type[NameForm],
) -> None:
    others = tuple(form for form in PUBLIC_PATHS.forms if not isinstance(form, sort))
    with pytest.raises(ValueError, match=sort.__name__):
        replace(PUBLIC_PATHS, forms=others)
