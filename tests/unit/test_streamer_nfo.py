"""NFO files beside recordings, read back as Kodi and Jellyfin read them."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from services.enricher.streamers.nfo import (
    NfoPictures,
    StreamMonth,
    from_folder,
    season_in,
    season_nfo,
    tvshow_nfo,
)
from services.enricher.streamers.rows import Streamer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PICTURES = NfoPictures(from_folder(1, ".images/profiles/profile_avatar_7.jpg"), "banner.jpg", "fanart.jpg")


def streamer(**values: object) -> Streamer:
    said: dict[str, object] = {
        "id": 7,
        "twitch_id": "123",
        "login": "somebody",
        "display_name": "Some <b>&body",
        "description": "Tea, \x00\x08\ud83d and ]]> talk",
        "profile_source": None,
        "offline_source": None,
        "is_favorite": False,
        "added_at": NOW,
        "seen_at": NOW,
        "checked_at": None,
        "trouble": None,
        "live_at": None,
    }
    return Streamer(**said | values)  # type: ignore[arg-type]


def test_a_show_has_its_name_its_id_and_its_pictures_by_relative_paths() -> None:
    root = ET.fromstring(tvshow_nfo(streamer(), PICTURES))
    thumbs = {one.get("aspect"): one.text for one in root.findall("thumb")}
    assert (root.tag, root.findtext("title")) == ("tvshow", "Some <b>&body")
    assert root.findtext("uniqueid[@type='twitch']") == "123"
    assert thumbs == {"poster": "../.images/profiles/profile_avatar_7.jpg", "banner": "banner.jpg"}
    assert root.findtext("fanart/thumb") == "fanart.jpg"


def test_what_no_xml_may_hold_is_left_out() -> None:
    root = ET.fromstring(tvshow_nfo(streamer(), PICTURES))
    assert root.findtext("plot") == "Tea,  and ]]> talk"


def test_a_month_is_a_season_with_year_and_month_as_its_number() -> None:
    month = season_in("Season 2026-03")
    assert month == StreamMonth("Season 2026-03", 2026, 3)
    root = ET.fromstring(season_nfo(streamer(), month, NfoPictures(from_folder(2, "x.jpg"))))
    assert (root.tag, root.findtext("seasonnumber"), root.findtext("title")) == (
        "season",
        "202603",
        "March 2026",
    )
    assert root.findtext("thumb") == "../../x.jpg"


@pytest.mark.parametrize(("folder", "number"), [("Season 202512", 202512), ("season 2025-01", 202501)])
def test_months_are_found_by_how_their_folders_are_called(folder: str, number: int) -> None:
    month = season_in(folder)
    assert month
    assert month.number == number


@pytest.mark.parametrize("folder", ["Season 1", "Season 2025-13", "Specials", ".images", "Season 2025-1"])
def test_other_folders_are_no_months(folder: str) -> None:
    assert season_in(folder) is None
