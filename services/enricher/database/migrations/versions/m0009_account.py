"""Somebody's account: what was watched, rated and is wanted, what Trakt says of it, and what it is to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    _create_titles()
    _create_entries()
    _create_watched()
    _create_contributors()
    _create_trakt()


def _create_titles() -> None:
    op.create_table(
        "movies",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        sa.Column("imdb_id", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("released_on", sa.Date),
        sa.Column("runtime_min", NUMBER),
        sa.Column("genres", sa.JSON, nullable=False),
        sa.Column("poster_path", sa.Text),
        sa.Column("backdrop_path", sa.Text),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_movies"),
        sa.UniqueConstraint("tmdb_id", name="uq_movies_tmdb_id"),
    )
    op.create_table(
        "series",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        sa.Column("imdb_id", sa.Text),
        sa.Column("tvdb_id", NUMBER),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("first_aired_on", sa.Date),
        sa.Column("episode_count", NUMBER),
        sa.Column("genres", sa.JSON, nullable=False),
        sa.Column("poster_path", sa.Text),
        sa.Column("backdrop_path", sa.Text),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("tmdb_id", name="uq_series_tmdb_id"),
    )
    op.create_table(
        "seasons",
        sa.Column("id", NUMBER, nullable=False),
        _refers("series_id", "series", "seasons", ondelete="CASCADE"),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("poster_path", sa.Text),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seasons"),
        sa.UniqueConstraint("series_id", "number", name="uq_seasons_series_id_number"),
    )
    op.create_table(
        "episodes",
        sa.Column("id", NUMBER, nullable=False),
        _refers("series_id", "series", "episodes", ondelete="CASCADE"),
        sa.Column("season_number", NUMBER, nullable=False),
        sa.Column("episode_number", NUMBER, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("aired_on", sa.Date),
        sa.Column("runtime_min", NUMBER),
        sa.Column("still_path", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_episodes"),
        sa.UniqueConstraint(
            "series_id",
            "season_number",
            "episode_number",
            name="uq_episodes_series_id_season_number_episode_number",
        ),
    )


def _create_entries() -> None:
    op.create_table(
        "library_entries",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        _refers("movie_id", "movies", "library_entries", nullable=True),
        _refers("series_id", "series", "library_entries", nullable=True),
        sa.Column("item_id", NUMBER),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("watch_status", sa.Text, nullable=False),
        sa.Column("rating", NUMBER),
        sa.Column("trakt_rating", NUMBER),
        sa.Column("rating_from", sa.Text),
        sa.Column("watchlisted_at", MOMENT),
        sa.Column("watchlist_from", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_library_entries"),
        sa.UniqueConstraint("movie_id", name="uq_library_entries_movie_id"),
        sa.UniqueConstraint("series_id", name="uq_library_entries_series_id"),
        sa.UniqueConstraint("media_type", "tmdb_id", name="uq_library_entries_media_type_tmdb_id"),
        sa.CheckConstraint("media_type IN ('movie', 'tv')", name="ck_library_entries_media_type"),
        sa.CheckConstraint(
            "watch_status IN ('not watched', 'watching', 'watched')", name="ck_library_entries_watch_status"
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="ck_library_entries_rating"),
        sa.CheckConstraint("trakt_rating BETWEEN 1 AND 10", name="ck_library_entries_trakt_rating"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_library_entries_watch_status_id", "library_entries", ["watch_status", "id"])


def _create_watched() -> None:
    op.create_table(
        "movie_watch_sessions",
        sa.Column("id", NUMBER, nullable=False),
        _refers("entry_id", "library_entries", "movie_watch_sessions", ondelete="CASCADE"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("watched_on", sa.Date, nullable=False),
        sa.Column("watched_at", MOMENT),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("trakt_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_movie_watch_sessions"),
        sa.UniqueConstraint("trakt_id", name="uq_movie_watch_sessions_trakt_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "watch_sessions",
        sa.Column("id", NUMBER, nullable=False),
        _refers("entry_id", "library_entries", "watch_sessions", ondelete="CASCADE"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_watch_sessions"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "episode_progress",
        sa.Column("id", NUMBER, nullable=False),
        _refers("session_id", "watch_sessions", "episode_progress", ondelete="CASCADE"),
        _refers("episode_id", "episodes", "episode_progress", ondelete="CASCADE"),
        sa.Column("watched_on", sa.Date),
        sa.Column("watched_at", MOMENT),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("trakt_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_episode_progress"),
        sa.UniqueConstraint("trakt_id", name="uq_episode_progress_trakt_id"),
        sqlite_autoincrement=True,
    )
    for table, column in (
        ("movie_watch_sessions", "entry_id"),
        ("watch_sessions", "entry_id"),
        ("episode_progress", "session_id"),
        ("episode_progress", "episode_id"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])


def _create_contributors() -> None:
    op.create_table(
        "contributors",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("profile_path", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_contributors"),
        sa.UniqueConstraint("tmdb_id", name="uq_contributors_tmdb_id"),
    )
    op.create_table(
        "media_contributors",
        sa.Column("id", NUMBER, nullable=False),
        _refers("entry_id", "library_entries", "media_contributors", ondelete="CASCADE"),
        _refers("contributor_id", "contributors", "media_contributors", ondelete="CASCADE"),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("character", sa.Text),
        sa.Column("job", sa.Text),
        sa.Column("place", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_media_contributors"),
        sa.CheckConstraint("part IN ('cast', 'crew')", name="ck_media_contributors_part"),
    )
    for column in ("entry_id", "contributor_id"):
        op.create_index(f"ix_media_contributors_{column}", "media_contributors", [column])


def _create_trakt() -> None:
    op.create_table(
        "trakt_history",
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tmdb_id", NUMBER),
        sa.Column("season", NUMBER),
        sa.Column("episode", NUMBER),
        sa.Column("watched_at", MOMENT),
        sa.Column("reading", NUMBER, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("retry_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_trakt_history"),
    )
    for columns in (["kind", "pending", "tmdb_id"], ["kind", "tmdb_id"], ["kind", "watched_at"]):
        op.create_index(f"ix_trakt_history_{'_'.join(columns)}", "trakt_history", columns)
    op.create_table(
        "trakt_lists",
        sa.Column("list", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        sa.Column("rating", NUMBER),
        sa.Column("gone", sa.Boolean, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("retry_at", MOMENT),
        sa.PrimaryKeyConstraint("list", "media_type", "tmdb_id", name="pk_trakt_lists"),
        sa.CheckConstraint("list IN ('ratings', 'watchlist')", name="ck_trakt_lists_list"),
    )
    op.create_table(
        "trakt_writes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("tmdb_id", NUMBER, nullable=False),
        sa.Column("what", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trakt_writes"),
        sa.CheckConstraint("state IN ('waiting', 'sending', 'failed')", name="ck_trakt_writes_state"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trakt_writes_state_due_at", "trakt_writes", ["state", "due_at"])


def _refers(
    column: str, to: str, table: str, *, nullable: bool = False, ondelete: str | None = None
) -> sa.Column[int]:
    key = sa.ForeignKey(f"{to}.id", name=f"fk_{table}_{column}", ondelete=ondelete)
    return sa.Column(column, NUMBER, key, nullable=nullable)
