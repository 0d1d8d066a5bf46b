"""The tables of characters and their pictures, as the latest migration leaves them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Table
from sqlalchemy import UniqueConstraint as Unique

from services.enricher.database.schema import Moment, Words, metadata

characters = Table(
    "characters",
    metadata,
    Column("id", Words, primary_key=True),
    Column("character_name", Words, nullable=False),
    Column("movie_title", Words, nullable=False),
    Column("name_key", Words, nullable=False),
    Column("title_key", Words, nullable=False),
    Column("subject", Words),
    Column("profile_path", Words),
    Column("external_character_id", BigInteger, index=True),
    Column("updated_at", Moment, nullable=False),
    Unique("name_key", "title_key"),
    Index(None, "title_key"),
)
"""Whoever was asked for and found, or registered. The keys are the name and the title without case, accents and punctuation;
`subject` is the title, `movie tmdb:603`, where somebody said it.
"""

character_images = Table(
    "character_images",
    metadata,
    Column("id", Words, primary_key=True),
    Column("character_id", Words, nullable=False, index=True),
    Column("character_name", Words, nullable=False),
    Column("movie_title", Words, nullable=False),
    Column("image_url", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("external_character_id", BigInteger),
    Column("quality_score", Float, nullable=False),
    Column("penalty", Float),
    Column("picture_id", Words, index=True),
    Column("actor", Words),
    Column("profile_path", Words),
    Column("dropped", Words),
    Column("checked_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint("source IN ('character_specific', 'ai_generated', 'tvdb', 'tmdb')", name="source"),
    Unique("character_name", "movie_title", "source"),
    Index(None, "character_name", "movie_title"),
    Index(None, "updated_at"),
)
"""One picture of a character from each source. `quality_score` is the source's; `penalty` is what its measure takes away, unknown
until it was stored. `dropped`: why it is not shown any more. `checked_at`: when its source was last asked whether it is there.
"""

Index("ix_character_images_quality_score", character_images.c.quality_score.desc())
