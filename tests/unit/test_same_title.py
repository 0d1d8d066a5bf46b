"""Which entries are the same title, whatever the order they come in."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.enricher.library import ItemIds, MediaType
from services.enricher.library.same_title import KnownEntry, by_title, plain

MOVIE = MediaType.MOVIE
NUMBERS = itertools.count()


def known(
    title: str = "dune", year: int | None = 2021, media_type: MediaType = MOVIE, **ids: object
) -> KnownEntry:
    known.count = getattr(known, "count", 0) + 1  # type: ignore[attr-defined] # numbers the entries of this module
    return KnownEntry(known.count, media_type, ItemIds(**ids), plain(title), year)  # type: ignore[attr-defined,arg-type] # as above


def partition(*entries: KnownEntry) -> set[frozenset[int]]:
    return {frozenset(entry.id for entry in group) for group in by_title(entries).values()}


def same(*entries: KnownEntry) -> bool:
    return len(partition(*entries)) == 1


def test_an_imdb_id_joins_whatever_the_titles() -> None:
    assert same(known("Dune", imdb="tt1"), known("Duna: Part One", 2020, imdb="tt1"))


def test_a_tmdb_id_joins_whatever_the_titles() -> None:
    assert same(known("Dune", tmdb=5), known("Duna", tmdb=5))


def test_title_and_year_join_without_case_accents_and_punctuation() -> None:
    assert same(known("Amélie & Co."), known("amelie and co"))
    assert same(known("Ёлки"), known("Елки"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (known("Dune", 1984), known("Dune", 2021)),
        (known("Dune", None), known("Dune", 2021)),
        (known(), known(media_type=MediaType.TV)),
        (known(imdb="tt1"), known(media_type=MediaType.TV, imdb="tt1")),
        (known(tmdb=5), known(media_type=MediaType.TV, tmdb=5)),
        (known("Dune", imdb="tt1"), known("Dune", imdb="tt2")),
        (known("Dune", tmdb=5), known("Dune", tmdb=6)),
        (known("Dune", imdb="tt1", tmdb=5), known("Dune", imdb="tt2", tmdb=5)),
        (known("…"), known("???")),
        (known("ハハ"), known("パパ")),
        (known("मीना"), known("मोना")),
        (known("ปี"), known("ปา")),
    ],
)
def test_what_differs_is_two_titles(one: KnownEntry, other: KnownEntry) -> None:
    assert len(partition(one, other)) == 2


def test_different_kinds_of_ids_join_by_title_and_by_an_entry_with_both() -> None:
    assert same(known(imdb="tt1"), known(tmdb=5))
    assert same(known("a", imdb="tt1"), known("b", tmdb=5), known("c", imdb="tt1", tmdb=5))
    assert not same(known("a", imdb="tt1"), known("b", tmdb=5))


def test_an_entry_without_ids_does_not_join_two_that_contradict_each_other() -> None:
    one, other, bare, bare_too = known(imdb="tt1"), known(imdb="tt2"), known(), known()
    expected = {frozenset([one.id]), frozenset([other.id]), frozenset([bare.id, bare_too.id])}
    assert partition(one, other, bare, bare_too) == expected


def test_an_entry_without_ids_follows_through_titles_and_ids() -> None:
    assert same(
        known("Dune"), known("Dune", imdb="tt1"), known("Dune Part One", imdb="tt1"), known("Dune Part One")
    )


def test_where_two_contradict_each_other_over_a_third_the_first_title_decides() -> None:
    for order in itertools.permutations(
        [known("a", imdb="tt1"), known("b", imdb="tt1"), known("a", tmdb=5), known("b", tmdb=6)]
    ):
        alone = next(entry for entry in order if entry.ids.tmdb == 6)
        assert frozenset([alone.id]) in partition(*order)
        assert len(partition(*order)) == 2


entries = st.builds(
    KnownEntry,
    st.integers(1, 10**6),
    st.sampled_from(MediaType),
    st.builds(
        ItemIds,
        st.sampled_from([None, None, "tt1", "tt2", "tt3"]),
        st.sampled_from([None, None, 1, 2, 3]),
        st.sampled_from([None, None, None, 1, 2]),
    ),
    st.sampled_from("abcd"),
    st.sampled_from([None, 2000, 2001]),
)


@given(st.lists(entries, max_size=12, unique_by=lambda entry: entry.id), st.randoms())
def test_the_order_of_the_entries_is_of_no_account(found: list[KnownEntry], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert partition(*found) == partition(*shuffled)
    assert set(by_title(found)) == set(by_title(shuffled))


@given(st.lists(entries, max_size=12, unique_by=lambda entry: entry.id))
def test_no_title_has_two_imdb_ids_and_no_imdb_id_two_titles(found: list[KnownEntry]) -> None:
    titles = by_title(found)
    assert sorted(entry.id for title in titles.values() for entry in title) == sorted(
        entry.id for entry in found
    )
    for title in titles.values():
        assert len({entry.ids.imdb for entry in title} - {None}) <= 1
    for one, other in itertools.combinations(found, 2):
        if one.ids.imdb == other.ids.imdb is not None and one.media_type == other.media_type:
            assert any({one, other} <= set(title) for title in titles.values())
