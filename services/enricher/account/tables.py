"""The account's tables, as the latest migration leaves them: what somebody watched, rated and wants to watch."""

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, Date, ForeignKey, Index, Table
from sqlalchemy import UniqueConstraint as Unique

from services.enricher.database.schema import Moment, Number, Words, metadata

settings = Table(
    "settings",
    metadata,
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
)
"""What is remembered between starts. Tokens are encrypted."""

movies = Table(
    "movies",
    metadata,
    Column("id", Number, primary_key=True),
    Column("tmdb_id", Number, nullable=False, unique=True),
    Column("imdb_id", Words),
    Column("title", Words, nullable=False),
    Column("released_on", Date),
    Column("runtime_min", Number),
    Column("genres", JSON, nullable=False),
    Column("poster_path", Words),
    Column("backdrop_path", Words),
    Column("fetched_at", Moment, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("id", Number, primary_key=True),
    Column("tmdb_id", Number, nullable=False, unique=True),
    Column("imdb_id", Words),
    Column("tvdb_id", Number),
    Column("title", Words, nullable=False),
    Column("first_aired_on", Date),
    Column("episode_count", Number),
    Column("genres", JSON, nullable=False),
    Column("poster_path", Words),
    Column("backdrop_path", Words),
    Column("fetched_at", Moment, nullable=False),
)
"""What TMDB says of a title, for six months at the most: `fetched_at`."""

seasons = Table(
    "seasons",
    metadata,
    Column("id", Number, primary_key=True),
    Column("series_id", Number, ForeignKey(series.c.id, ondelete="CASCADE"), nullable=False),
    Column("number", Number, nullable=False),
    Column("poster_path", Words),
    Column("fetched_at", Moment, nullable=False),
    Unique("series_id", "number"),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("series_id", Number, ForeignKey(series.c.id, ondelete="CASCADE"), nullable=False),
    Column("season_number", Number, nullable=False),
    Column("episode_number", Number, nullable=False),
    Column("title", Words),
    Column("aired_on", Date),
    Column("runtime_min", Number),
    Column("still_path", Words),
    Unique("series_id", "season_number", "episode_number"),
)
"""Also one that somebody watched and TMDB does not know."""

library_entries = Table(
    "library_entries",
    metadata,
    Column("id", Number, primary_key=True),
    Column("media_type", Words, nullable=False),
    Column("tmdb_id", Number, nullable=False),
    Column("movie_id", Number, ForeignKey(movies.c.id), unique=True),
    Column("series_id", Number, ForeignKey(series.c.id), unique=True),
    Column("item_id", Number),
    Column("reason", Words, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("watch_status", Words, nullable=False),
    Column("rating", Number),
    Column("trakt_rating", Number),
    Column("rating_from", Words),
    Column("watchlisted_at", Moment),
    Column("watchlist_from", Words),
    CheckConstraint("media_type IN ('movie', 'tv')", name="media_type"),
    CheckConstraint("watch_status IN ('not watched', 'watching', 'watched')", name="watch_status"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    CheckConstraint("trakt_rating BETWEEN 1 AND 10", name="trakt_rating"),
    Unique("media_type", "tmdb_id"),
    Index(None, "watch_status", "id"),
    sqlite_autoincrement=True,
)
"""One title of somebody's, however it came here. `item_id` is an entry of the library's; `…_from` is `trakt` or `here`."""

movie_watch_sessions = Table(
    "movie_watch_sessions",
    metadata,
    Column("id", Number, primary_key=True),
    Column(
        "entry_id", Number, ForeignKey(library_entries.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("name", Words, nullable=False),
    Column("watched_on", Date, nullable=False),
    Column("watched_at", Moment),
    Column("origin", Words, nullable=False),
    Column("trakt_id", BigInteger, unique=True),
    sqlite_autoincrement=True,
)
"""Once that a movie was watched. `watched_on` is the day where its user lives; `trakt_id` the same play in Trakt's history."""

watch_sessions = Table(
    "watch_sessions",
    metadata,
    Column("id", Number, primary_key=True),
    Column(
        "entry_id", Number, ForeignKey(library_entries.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("name", Words, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)
"""Once through a series."""

episode_progress = Table(
    "episode_progress",
    metadata,
    Column("id", Number, primary_key=True),
    Column(
        "session_id", Number, ForeignKey(watch_sessions.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("episode_id", Number, ForeignKey(episodes.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("watched_on", Date),
    Column("watched_at", Moment),
    Column("origin", Words, nullable=False),
    Column("trakt_id", BigInteger, unique=True),
    sqlite_autoincrement=True,
)
"""Once that an episode was watched. `watched_on` may be the day it was aired (the binge rule), or unknown."""

contributors = Table(
    "contributors",
    metadata,
    Column("id", Number, primary_key=True),
    Column("tmdb_id", Number, nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("profile_path", Words),
)

media_contributors = Table(
    "media_contributors",
    metadata,
    Column("id", Number, primary_key=True),
    Column(
        "entry_id", Number, ForeignKey(library_entries.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column(
        "contributor_id",
        Number,
        ForeignKey(contributors.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("part", Words, nullable=False),
    Column("character", Words),
    Column("job", Words),
    Column("place", Number, nullable=False),
    CheckConstraint("part IN ('cast', 'crew')", name="part"),
)
"""Cast and crew of an entry's title, in the order of `place`."""

trakt_history = Table(
    "trakt_history",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Words, nullable=False),
    Column("tmdb_id", Number),
    Column("season", Number),
    Column("episode", Number),
    Column("watched_at", Moment),
    Column("reading", Number, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("retry_at", Moment),
    Index(None, "kind", "pending", "tmdb_id"),
    Index(None, "kind", "tmdb_id"),
    Index(None, "kind", "watched_at"),
)
"""The plays that Trakt's history has, by their ids there, as they were last read: without a title's text. `pending`: nothing was
made of it here yet. `reading` is the number of the reading that last saw it.
"""

trakt_lists = Table(
    "trakt_lists",
    metadata,
    Column("list", Words, primary_key=True),
    Column("media_type", Words, primary_key=True),
    Column("tmdb_id", Number, primary_key=True, autoincrement=False),
    Column("rating", Number),
    Column("gone", Boolean, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("retry_at", Moment),
    CheckConstraint("list IN ('ratings', 'watchlist')", name="list"),
)
"""What stands on Trakt's lists, as it was last read; `gone`: not any more, and nothing was made of that yet."""

trakt_writes = Table(
    "trakt_writes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("media_type", Words, nullable=False),
    Column("tmdb_id", Number, nullable=False),
    Column("what", JSON, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("reason", Words),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("state IN ('waiting', 'sending', 'failed')", name="state"),
    Index(None, "state", "due_at"),
    sqlite_autoincrement=True,
)
"""What somebody changed here and Trakt is to be told. `sending`: nobody knows whether it has it."""
