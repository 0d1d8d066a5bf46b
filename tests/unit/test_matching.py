"""Which of the answers to a search is clearly right, and when is searched again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.enricher.database.database import Database
from services.enricher.finder.metadata import Found, NotFound, Outcome, Unavailable
from services.enricher.library import Item, Library, LibraryEntry, MediaType
from services.enricher.library.matching.matching import AGAIN, Matching, MatchState
from services.enricher.library.matching.searching import Candidates, Search, SoughtTitle
from services.enricher.library.matching.table import MatchCandidate, UnmatchedTable, clearly_right
from shared.background import Background
from shared.pictures import FailureClass
from shared.telemetry import Metrics
from tests.integration.onesheet import until


def candidate(
    title: str, year: int | None, popularity: float = 1, *, also: tuple[str, ...] = ()
) -> MatchCandidate:
    return MatchCandidate(provider="x", title=title, year=year, tmdb_id=1, popularity=popularity, also=also)


@pytest.mark.parametrize(
    ("found", "year", "right"),
    [
        ([("Salt Road", 2000, 1)], 2000, 0),
        ([("salt ròad!", 2001, 1)], 2000, 0),
        ([("Salt Road", 2003, 1)], 2000, None),
        ([("Salt Roads", 2000, 1)], 2000, None),
        ([("Salt Road", 2000, 9), ("Salt Road", 2001, 1)], 2000, 0),
        ([("Salt Road", 2000, 1), ("Salt Road", 2001, 1.5)], 2000, 0),
        ([("Salt Road", 2000, 1), ("Salt Road", 2000, 1.5)], 2000, None),
        ([("Salt Road", 1950, 1), ("Salt Road", 2000, 20)], None, 1),
        ([("Salt Road", 1950, 1), ("Salt Road", 2000, 2)], None, None),
        ([("Salt Road", None, 1)], 2000, None),
        ([], 2000, None),
    ],
)
def test_an_answer_is_taken_where_it_is_clearly_right(
    found: list[tuple[str, int | None, float]], year: int | None, right: int | None
) -> None:
    candidates = [candidate(title, when, popularity) for title, when, popularity in found]
    expected = None if right is None else candidates[right]
    assert clearly_right(candidates, "Salt Road", year) is expected


def test_a_title_may_be_one_that_it_is_known_by_besides() -> None:
    other = candidate("Der Salzweg", 2000, also=("Salt Road",))
    assert clearly_right([other, candidate("Salt", 2000, 50)], "Salt Road", 2000) is other


class Answering:
    """A search that gives its answers one after the other, and the last one again and again."""

    name = "x"

    def __init__(self, *answers: Outcome[Candidates]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def find(self, sought: SoughtTitle, until: datetime) -> Outcome[Candidates]:
        self.asked.append(sought.title)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def looked_for(
    database: Database, item: Item, *searches: Search, ahead: timedelta = timedelta(0)
) -> Matching:
    """After one round of searching, that long from now."""

    def now() -> datetime:
        return datetime.now(UTC) + ahead

    def all_of_them(_kind: MediaType) -> Sequence[Search]:
        return searches

    matching = Matching(Library(database), UnmatchedTable(database, now=now), all_of_them, now=now)
    async with matching.open(Background(Metrics())):
        matching.soon([item])
        await until(lambda: matching.state_of(item) is not MatchState.LOOKING)
    return matching


async def test_what_was_searched_for_in_vain_is_searched_for_again_after_a_week(database: Database) -> None:
    item = await Library(database).add(LibraryEntry("Salt Road", MediaType.MOVIE, 2000))
    search = Answering(NotFound())
    for ahead, times in ((timedelta(0), 1), (AGAIN - timedelta(hours=1), 1), (AGAIN, 2)):
        matching = await looked_for(database, item, search, ahead=ahead)
        assert matching.state_of(item) is MatchState.UNMATCHED
        assert len(search.asked) == times


async def test_a_provider_that_cannot_be_asked_leaves_the_question_open(database: Database) -> None:
    item = await Library(database).add(LibraryEntry("Salt Road", MediaType.MOVIE, 2000))
    failing = Answering(Unavailable(FailureClass.UPSTREAM, "down"))
    await looked_for(database, item, failing)
    right = Answering(Found(Candidates(candidates=(candidate("Salt Road", 2000),))))
    await looked_for(database, item, failing, right)
    found = await Library(database).item(item.id)
    assert found is not None
    assert found.tmdb_id == 1


async def test_the_next_provider_is_asked_where_the_first_has_nothing_clear(database: Database) -> None:
    item = await Library(database).add(LibraryEntry("Salt Road", MediaType.MOVIE, 2000))
    unclear = Answering(Found(Candidates(candidates=(candidate("Salt Road", 1950), candidate("Salt", 2000)))))
    second = Answering(Found(Candidates(candidates=(candidate("Salt Roads", 2000),))))
    matching = await looked_for(database, item, unclear, second)
    total, [unmatched] = await matching.unmatched(10, 0)
    assert (total, [one.title for one in unmatched.candidates]) == (1, ["Salt Road", "Salt", "Salt Roads"])


@pytest.mark.parametrize(
    ("found", "known"),
    [(("Reply 1988", 2015), ["Reply 1988"]), (("Salt Road", 2005), ["Salt Road 2005", "Salt Road"])],
)
async def test_a_year_at_the_end_of_a_title_may_be_its_year_or_a_part_of_it(
    database: Database, found: tuple[str, int], known: list[str]
) -> None:
    item = await Library(database).add(LibraryEntry(known[0], MediaType.TV, None))
    search = Answering(Found(Candidates(candidates=(candidate(*found), candidate("Salt Road", 1950)))))
    await looked_for(database, item, search)
    assert search.asked == known
    matched = await Library(database).item(item.id)
    assert matched is not None
    assert matched.tmdb_id == 1
