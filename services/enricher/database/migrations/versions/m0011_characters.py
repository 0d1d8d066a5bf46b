"""Characters, and their pictures from each source."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "characters",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("character_name", sa.Text, nullable=False),
        sa.Column("movie_title", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("title_key", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("profile_path", sa.Text),
        sa.Column("external_character_id", sa.BigInteger),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_characters"),
        sa.UniqueConstraint("name_key", "title_key", name="uq_characters_name_key_title_key"),
    )
    op.create_index("ix_characters_title_key", "characters", ["title_key"])
    op.create_index("ix_characters_external_character_id", "characters", ["external_character_id"])
    op.create_table(
        "character_images",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("character_id", sa.Text, nullable=False),
        sa.Column("character_name", sa.Text, nullable=False),
        sa.Column("movie_title", sa.Text, nullable=False),
        sa.Column("image_url", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("external_character_id", sa.BigInteger),
        sa.Column("quality_score", sa.Float, nullable=False),
        sa.Column("penalty", sa.Float),
        sa.Column("picture_id", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("profile_path", sa.Text),
        sa.Column("dropped", sa.Text),
        sa.Column("checked_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_character_images"),
        sa.CheckConstraint(
            "source IN ('character_specific', 'ai_generated', 'tvdb', 'tmdb')",
            name=op.f("ck_character_images_source"),
        ),
        sa.UniqueConstraint(
            "character_name",
            "movie_title",
            "source",
            name="uq_character_images_character_name_movie_title_source",
        ),
    )
    for columns in (["character_name", "movie_title"], ["character_id"], ["picture_id"], ["updated_at"]):
        op.create_index(f"ix_character_images_{'_'.join(columns)}", "character_images", columns)
    op.create_index("ix_character_images_quality_score", "character_images", [sa.text("quality_score DESC")])
