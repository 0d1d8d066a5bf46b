"""The streamer library, end to end: what is added is asked about, its pictures come by themselves, and are served by the names that
StreamVault's pages know.
"""

import asyncio
from datetime import timedelta
from typing import Any

from shared.pictures import Name
from shared.telemetry import utc_now
from tests.integration.enricher import RunningEnricher
from tests.integration.onesheet import until
from tests.integration.streaming import StartStreaming, stored
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost


async def test_a_streamer_that_is_added_by_login_has_pictures_that_are_ours(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    picture_host.hold("/profile-first-300x300.jpg")
    async with streaming() as enricher:
        added = await enricher.manage("POST", "/api/streamers", {"login": "First"})
        [before] = added.json["streamers"]
        picture_host.release("/profile-first-300x300.jpg")
        await stored(enricher, "streamer/1/profile")
        await stored(enricher, "streamer/1/banner")
        after = (await enricher.manage("GET", "/api/streamers/1")).json
        status, body = await enricher.picture(after["profile_image_url"])
        by_twitch, same = await enricher.picture("/data/images/profiles/profile_avatar_tw:123.jpg")
        old_name, _ = await enricher.picture("/data/images/profiles/streamer_1.jpg")
        banner, _ = await enricher.picture(after["offline_image_url"])
    source = twitch.world.channels["123"].profile
    assert (added.status, before["twitch_id"], before["username"]) == (201, "123", "First")
    assert (before["profile_image_url"], before["original_profile_image_url"]) == (source, source)
    assert after["profile_image_url"] == "/data/images/profiles/profile_avatar_1.jpg"
    assert after["original_profile_image_url"] == source
    assert (status, by_twitch, old_name, banner) == (200, 200, 200, 200)
    assert body == same
    assert picture_host.count("/profile-first-300x300.jpg") == 1


async def test_a_profile_picture_that_twitch_replaced_is_swapped_without_a_gap(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"twitch_id": "123"})
        await stored(enricher, "streamer/1/profile")
        path = "/data/images/profiles/profile_avatar_1.jpg"
        before = await enricher.picture(path)
        picture_host.hold("/another-300x300.jpg")
        twitch.world.channels["123"].profile = twitch.world.put("/another-300x300.jpg")
        await enricher.manage("POST", "/api/streamers/1/refresh")
        await until(lambda: picture_host.count("/another-300x300.jpg"))
        meanwhile = await enricher.picture(path)
        picture_host.release("/another-300x300.jpg")

        async def swapped() -> bool:
            return (await enricher.picture(path))[1] != before[1]

        await until(swapped, every_s=0.05)
    assert before[0] == meanwhile[0] == 200
    assert meanwhile == before


async def test_streamers_are_listed_marked_removed_and_unknown_ones_refused(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    async with streaming() as enricher:
        many = await enricher.manage("POST", "/api/streamers", {"logins": ["first", "SECOND", "first"]})
        unknown = await enricher.manage("POST", "/api/streamers", {"login": "nobody"})
        no_login = await enricher.manage("POST", "/api/streamers", {"login": "no body"})
        nothing = await enricher.manage("POST", "/api/streamers", {})
        await stored(enricher, "streamer/2/profile")
        marked = await enricher.manage("PUT", "/api/streamers/2/favorite")
        favorites = (await enricher.manage("GET", "/api/streamers?favorites=true")).json
        by_url = await enricher.manage("POST", "/api/streamers", {"url": "https://www.twitch.tv/First"})
        removed = await enricher.manage("DELETE", "/api/streamers/2")
        listed = (await enricher.manage("GET", "/api/streamers")).json
        gone = await enricher.manage("GET", "/api/streamers/2")

        async def is_purged() -> bool:
            return (await enricher.picture("/data/images/profiles/profile_avatar_2.jpg"))[0] == 404

        await until(is_purged, every_s=0.1)
        closed = (await enricher.ask("POST", "/api/streamers", json={"login": "first"})).status
    assert [one["id"] for one in many.json["streamers"]] == [1, 2]
    assert [answer.status for answer in (unknown, no_login, nothing)] == [404, 400, 400]
    assert (marked.json["is_favorite"], [one["username"] for one in favorites["streamers"]]) == (
        True,
        ["Second"],
    )
    assert by_url.json["streamers"][0]["id"] == 1
    assert (removed.status, gone.status, closed) == (204, 404, 401)
    assert [one["id"] for one in listed["streamers"]] == [1]


async def test_a_token_that_is_refused_is_had_again_once_and_a_login_and_an_id_are_one_streamer(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        twitch.revoke()
        second = await enricher.manage("POST", "/api/streamers", {"login": "second"})
        same = await enricher.manage("POST", "/api/streamers", {"twitch_id": "456"})
    assert second.json["streamers"][0]["twitch_id"] == "456"
    assert same.json["streamers"][0]["id"] == second.json["streamers"][0]["id"]
    assert twitch.counts["/oauth2/token"] == 2


async def test_of_some_hundreds_that_are_added_one_is_asked_about_and_then_the_others_beside_one_another(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    many = [f"nobody{number}" for number in range(301)]
    first = twitch.hold("/helix/users")
    async with streaming() as enricher:
        added = await enricher.manage("POST", "/api/streamers", {"logins": many})
        await until(lambda: twitch.counts["/helix/users"] == 1)
        others = twitch.hold("/helix/users")
        first.open()
        await until(lambda: twitch.counts["/helix/users"] == 4)
        others.open()

        async def are_unknown() -> bool:
            listed = (await enricher.manage("GET", "/api/streamers?limit=500")).json["streamers"]
            return all(one["trouble"] for one in listed)

        await until(are_unknown, every_s=0.1)
    assert added.json["total"] == len(many)
    assert twitch.counts["/helix/users"] == 4


async def test_a_login_that_twitch_gives_to_somebody_else_costs_nobody_a_streamer(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    channels = twitch.world.channels
    third = twitch.world.add_channel("789", "third")
    async with streaming() as enricher:
        added = await enricher.manage("POST", "/api/streamers", {"logins": ["first", "second", "third"]})
        for number in (1, 2, 3):
            await stored(enricher, f"streamer/{number}/profile")
        streamers = [channels[one] for one in ("123", "456")]
        streamers[0].login, streamers[1].login = streamers[1].login, streamers[0].login
        for number in (2, 1):
            await enricher.manage("POST", f"/api/streamers/{number}/refresh")
        del channels["789"]
        twitch.world.add_channel("12", third.login)
        await enricher.manage("POST", "/api/streamers/3/refresh")
        other = await enricher.manage("POST", "/api/streamers", {"login": "third"})
        same = await enricher.manage("POST", "/api/streamers", {"login": "third"})
        digits = await enricher.manage("POST", "/api/streamers", {"logins": ["456"], "twitch_ids": ["456"]})
        listed = (await enricher.manage("GET", "/api/streamers")).json["streamers"]
    assert [one["id"] for one in added.json["streamers"]] == [1, 2, 3]
    assert [(one["id"], one["twitch_id"], one["login"]) for one in listed[:4]] == [
        (1, "123", "second"),
        (2, "456", "first"),
        (3, "789", None),
        (4, "12", "third"),
    ]
    assert [one["id"] for one in other.json["streamers"] + same.json["streamers"]] == [4, 4]
    assert [one["id"] for one in digits.json["streamers"]] == [5, 2]


async def test_a_category_in_other_letters_is_the_one_that_twitch_means(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    for id_, name in (("7", "Just Chatting"), ("8", "FLOW"), ("9", "Flow")):
        twitch.world.add_game(id_, name)
    async with streaming() as enricher:
        named = [
            (await enricher.manage("POST", "/api/categories", {"name": name})).json["categories"][0]
            for name in ("just chatting", "JUST CHATTING", "Flow", "FLOW")
        ]
        total = (await enricher.manage("GET", "/api/categories")).json["total"]
    assert [(one["twitch_id"], one["name"]) for one in named] == [
        ("7", "Just Chatting"),
        ("7", "Just Chatting"),
        ("9", "Flow"),
        ("8", "FLOW"),
    ]
    assert total == 3


async def test_a_category_that_is_asked_about_twice_at_a_time_stays(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    gate = twitch.hold("/helix/games")
    async with streaming() as enricher, asyncio.TaskGroup() as adding:
        adding.create_task(enricher.manage("POST", "/api/categories", {"name": "Just Chatting"}))
        await until(lambda: twitch.counts["/helix/games"] == 1)
        await enricher.manage("POST", "/api/streamers", {"logins": ["first", "second"]})
        await until(lambda: twitch.counts["/helix/games"] == 2)
        gate.open()
        await stored(enricher, "category/just_chatting/cover")
        await stored(enricher, "streamer/2/profile")
        assert (await enricher.manage("GET", "/api/categories")).json["total"] == 1


async def test_categories_have_files_slugs_covers_and_favourites(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    for id_, name in (
        ("7", "Tom Clancy's Rainbow Six Siege"),
        ("8", "Foo: Bar"),
        ("9", "Foo Bar"),
        ("10", "原神"),
    ):
        twitch.world.add_game(id_, name)
    async with streaming() as enricher:
        added = await enricher.manage(
            "POST", "/api/categories", {"twitch_ids": ["7"], "names": ["Foo: Bar", "Foo Bar", "原神"]}
        )
        for one in added.json["categories"]:
            assert one["trouble"] is None
        no_number = await enricher.manage("POST", "/api/categories", {"twitch_ids": ["tw:x"]})
        assert (no_number.status, "Twitch" in no_number.json["detail"]) == (400, True)
        for number in (1, 2, 3, 4):

            async def is_stored(number: int = number) -> bool:
                shown = (await enricher.manage("GET", f"/api/categories/{number}")).json
                return str(shown["box_art_url"]).startswith("/data/images/")

            await until(is_stored, every_s=0.05)
        listed = (await enricher.manage("GET", "/api/categories")).json["categories"]
        pictures = [await enricher.picture(one["box_art_url"]) for one in listed]
        by_slug = await enricher.picture("/data/images/categories/tom_clancys_rainbow_six_siege.jpg")
        by_twitch = await enricher.picture("/data/images/categories/tw:7.jpg")
        marked = await enricher.manage("POST", "/api/categories/favorites", {"category_id": 1})
        favorites = (await enricher.manage("GET", "/api/categories/favorites")).json
        unmarked = await enricher.manage("DELETE", "/api/categories/favorites/1")
        found = (await enricher.manage("GET", "/api/categories/search?q=rainbow")).json
        no_name = await enricher.manage("POST", "/api/categories", {"name": "../x"})
    by_name = {one["name"]: one for one in listed}
    siege = by_name["Tom Clancy's Rainbow Six Siege"]
    assert (siege["file_name"], siege["slug"]) == (
        "tom_clancy's_rainbow_six_siege",
        "tom_clancys_rainbow_six_siege",
    )
    assert siege["box_art_url"] == "/data/images/categories/tom_clancy%27s_rainbow_six_siege.jpg"
    assert siege["original_box_art_url"].endswith("/boxart-7-285x380.jpg")
    assert sorted(by_name[name]["file_name"] for name in ("Foo: Bar", "Foo Bar")) == ["foo_bar", "foo_bar_2"]
    assert by_name["Foo Bar"]["called_alike"] == ["Foo: Bar"]
    assert by_name["Foo: Bar"]["called_alike"] == ["Foo Bar"]
    assert {status for status, _ in pictures} == {200}
    assert len({body for _, body in pictures}) == 4
    assert by_slug == by_twitch == pictures[listed.index(siege)]
    assert (marked.json["is_favorite"], unmarked.json["is_favorite"]) == (True, False)
    assert [one["name"] for one in favorites["categories"]] == ["Foo: Bar"]
    assert [one["name"] for one in found["categories"]] == ["Tom Clancy's Rainbow Six Siege"]
    assert no_name.status == 400


async def test_a_streams_artwork_is_had_by_its_url_and_served_below_either_folder(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    url = twitch.world.put("/artwork-1920x1080.jpg")
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        order = {"streamer_id": 1, "title": "A stream", "twitch_id": "77", "category": "Just Chatting"}
        stream = await enricher.manage("POST", "/api/streams", order)
        shown = await enricher.manage("POST", "/api/streams/1/artwork", {"url": url})
        elsewhere = await enricher.manage("POST", "/api/streams/1/artwork", {"url": "https://example.org/x"})
        never = {"streamer_id": 1, "started_at": "0001-01-01T00:00:00+14:00"}
        assert (await enricher.manage("POST", "/api/streams", never)).status == 400
        await stored(enricher, "stream/1/artwork")
        after = (await enricher.manage("GET", "/api/streams?streamer_id=1")).json["streams"][0]
        pictures = [
            await enricher.picture(f"/data/images/artwork/{folder}/stream_{id_}.jpg")
            for folder, id_ in (("profile_avatar_1", "1"), ("streamer_1", "1"), ("1", "tw:77"))
        ]
        stats = (await enricher.manage("GET", "/data/images/stats")).json
        cleaned = (await enricher.manage("POST", "/api/images/cleanup?days_old=0")).json
        gone = (await enricher.manage("GET", "/api/streams/1")).json
        removed = await enricher.manage("DELETE", "/api/streams/1")
    assert (stream.status, stream.json["category_id"], shown.status, elsewhere.status) == (201, 1, 202, 403)
    assert shown.json["original_artwork_url"] == url
    assert after["artwork_url"] == "/data/images/artwork/profile_avatar_1/stream_1.jpg"
    assert {status for status, _ in pictures} == {200}
    assert len({body for _, body in pictures}) == 1
    assert (stats["artwork"]["cached_artworks"], stats["artwork"]["streamers_with_artwork"]) == (1, 1)
    assert cleaned["artwork"] >= 1
    assert cleaned["total_cleaned"] == sum(
        cleaned[kind] for kind in ("profiles", "banners", "categories", "artwork")
    )
    assert (gone["artwork_url"], removed.status) == (None, 204)


async def test_management_has_the_fields_that_scripts_know(  # noqa: PLR0915 - one server for all of them
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    twitch.world.add_game("7", "Never Asked For")
    picture_host.behave("/profile-second-300x300.jpg", *[Behaviour.failing(404)] * 50)
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"logins": ["first", "second"]})
        await enricher.manage("POST", "/api/categories", {"name": "Just Chatting"})
        for name in ("streamer/1/profile", "streamer/1/banner", "category/just_chatting/cover"):
            await stored(enricher, name)
        await until(lambda: picture_host.count("/profile-second-300x300.jpg"))
        await until(lambda: _failed(enricher), every_s=0.1)

        async def get(path: str) -> Any:
            return (await enricher.manage("GET", path)).json

        async def post(path: str, body: object = None) -> Any:
            return (await enricher.manage("POST", path, body)).json

        streamer = await get("/api/images/streamer/1")
        failing = await get("/api/images/streamer/2")
        unknown = (await enricher.manage("GET", "/api/images/streamer/99")).status
        started = await post("/api/images/streamer/1/download")
        no_streamer = (await enricher.manage("POST", "/api/images/streamer/99/download")).status
        category = await get("/api/images/category/Just%20Chatting")
        no_category = await get("/api/images/category/Nobody%20Knows")
        begun = await post("/api/images/category/Never%20Asked%20For/download")
        await stored(enricher, "category/never_asked_for/cover")
        synced = await post("/api/images/sync")
        whole, ours = await get("/api/images/stats"), await get("/data/images/stats")
        missing = await post("/api/images/sync/check-missing")
        queue = await get("/api/images/sync/queue-status")
        of_files = [await get(f"/data/images/{path}") for path in ("profile/1", "category/Just%20Chatting")]
        syncs = [await post(f"/data/images/sync/{what}") for what in ("profiles", "categories")]
        cleanups = [await post(f"{where}/cleanup") for where in ("/api/images", "/data/images")]
        lists = [await get(f"/api/images/{what}") for what in ("streamers", "categories")]
        image = await get("/api/categories/image/Just%20Chatting")
        batch = await post("/api/categories/images/batch", ["Just Chatting", "Nobody Knows"])
        preload = await post("/api/categories/preload-images", ["Just Chatting"])
        refresh = await post("/api/categories/refresh-images", ["Just Chatting"])
        cleaned = await post("/api/categories/cleanup-images?days_old=30")
        status, report = (
            await get("/api/categories/cache-status"),
            await get("/api/categories/missing-images"),
        )
    ours_url = "/data/images/profiles/profile_avatar_1.jpg"
    cover = "/data/images/categories/just_chatting.jpg"
    source = twitch.world.channels["123"].profile
    assert streamer == {
        "streamer_id": 1,
        "username": "First",
        "image_url": ours_url,
        "original_image_url": source,
        "cached": True,
    }
    assert (failing["image_url"], failing["cached"]) == (twitch.world.channels["456"].profile, False)
    assert (unknown, no_streamer) == (404, 404)
    assert started == {"message": "Profile image download started for First"}
    assert category == {"category_name": "Just Chatting", "image_url": cover, "cached": True}
    assert no_category == {"category_name": "Nobody Knows", "image_url": None, "cached": False}
    assert begun == {"message": "Category image download started for Never Asked For"}
    assert (synced["downloaded"], synced["skipped"], synced["failed"]) == (0, 4, 1)
    assert ours == {
        "profiles": {"cached_profiles": 1, "failed_downloads": 1},
        "banners": {"cached_banners": 1, "failed_downloads": 0},
        "categories": {"cached_categories": 2, "failed_downloads": 0},
        "artwork": {"cached_artworks": 0, "streamers_with_artwork": 0, "failed_downloads": 0},
        "total_cached": 4,
        "total_failed": 1,
    }
    assert {name: whole[name] for name in ours} == ours
    assert "total_objects" in whole
    assert missing["missing"] == 0
    assert set(queue) == {"queue_size", "is_running", "service_initialized"}
    assert of_files == [{"image_url": ours_url}, {"image_url": cover}]
    assert [(one["skipped"], one["failed"]) for one in syncs] == [(2, 1), (2, 0)]
    assert [one["total_cleaned"] for one in cleanups] == [0, 0]
    assert [one["total"] for one in lists] == [2, 2]
    assert image["image_url"] == cover
    assert batch == {"category_images": {"Just Chatting": cover, "Nobody Knows": None}}
    assert preload["categories"] == refresh["categories"] == ["Just Chatting"]
    assert cleaned["total_cleaned"] == 0
    assert (status["cached_categories"], report["missing_images"]) == (2, 0)
    assert "Just Chatting" in status["cached_categories_list"]


async def test_artwork_of_old_streams_is_cleaned_up_and_only_that(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        await enricher.manage("POST", "/api/categories", {"name": "Just Chatting"})
        for number, days in ((1, 40), (2, 20)):
            began = (utc_now() - timedelta(days=days)).isoformat()
            url = twitch.world.put(f"/artwork{number}-1920x1080.jpg")
            stream = {"streamer_id": 1, "artwork_url": url, "started_at": began}
            await enricher.manage("POST", "/api/streams", stream)
            await stored(enricher, f"stream/{number}/artwork")
        await stored(enricher, "category/just_chatting/cover")
        of_categories = await enricher.manage("POST", "/api/categories/cleanup-images")
        cleaned = await enricher.manage("POST", "/api/images/cleanup")
        longer = await enricher.manage("POST", "/data/images/cleanup?days_old=10")
        artworks = [(await enricher.manage("GET", f"/api/streams/{number}")).json for number in (1, 2)]
        cover = await enricher.picture("/data/images/categories/just_chatting.jpg")
    counted = [
        {what: one.json[what] for what in ("artwork", "categories", "profiles", "total_cleaned")}
        for one in (of_categories, cleaned, longer)
    ]
    nothing = {"artwork": 0, "categories": 0, "profiles": 0, "total_cleaned": 0}
    assert counted == [nothing, *[nothing | {"artwork": 1, "total_cleaned": 1}] * 2]
    assert [one["artwork_url"] for one in artworks] == [None, None]
    assert cover[0] == 200


async def _failed(enricher: RunningEnricher) -> bool:
    return bool((await enricher.manage("GET", "/data/images/stats")).json["total_failed"])


async def test_without_a_key_what_is_added_is_kept_and_nothing_is_guessed(streaming: StartStreaming) -> None:
    async with streaming(twitch=None) as enricher:
        added = await enricher.manage("POST", "/api/streamers", {"login": "first"})
        image = await enricher.manage("GET", "/api/images/streamer/1")
        started = await enricher.manage("POST", "/api/images/streamer/1/download")
        picture = await enricher.picture("/data/images/profiles/profile_avatar_1.jpg")
    assert (added.status, added.json["streamers"][0]["profile_image_url"]) == (201, None)
    assert (image.json["image_url"], image.json["username"], started.status) == (None, "first", 400)
    assert picture[0] == 404


async def test_what_is_missing_is_had_again_from_where_it_is_known_to_be(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    path = "/profile-first-300x300.jpg"
    async with streaming() as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        for role in ("profile", "banner"):
            await stored(enricher, f"streamer/1/{role}")
        picture = await enricher.volume.names.picture(Name.parse("streamer/1/profile"))
        assert picture
        await enricher.volume.pictures.remove(picture)
        asked = twitch.total
        missing = await enricher.manage("POST", "/api/images/sync/check-missing")
        await stored(enricher, "streamer/1/profile")
    assert missing.json["missing"] == 1
    assert picture_host.count(path) == 2
    assert twitch.total == asked
