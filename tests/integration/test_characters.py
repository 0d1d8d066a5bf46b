"""Characters: the best picture of each, from files, the database, TVDB and TMDB, through one enricher and a fetcher."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import ImageFilter

from services.enricher.characters import audit
from tests.integration.casting import Casting, casting
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.drawing import encode, photo

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Casting]:
    async with casting(tmp_path_factory.mktemp("characters"), fetching=True) as found:
        yield found


async def test_by_name_and_title_the_best_is_told_with_a_url_that_we_serve(found: Casting) -> None:
    title = found.title(1)
    neo = await found.ask("neo", title)
    assert (neo["success"], neo["source"], neo["quality_score"]) == (True, "tvdb", 70)
    assert neo["source_url"].endswith("/poster/0-200x300.jpg")
    assert neo["image_url"].startswith("/api/images/proxy?url=")
    status, body = await found.enricher.picture(neo["image_url"])
    assert (status, body[:3]) == (200, b"\xff\xd8\xff")
    trinity = await found.ask("Trinity", title)
    assert (trinity["source"], trinity["quality_score"]) == ("tmdb", 50)
    assert trinity["source_url"].endswith("/t/p/w500/face2.jpg")
    assert "original" in trinity["image_url"]


async def test_explain_tells_every_candidate_its_score_and_why_it_lost(found: Casting) -> None:
    told = await found.explained("Morpheus", found.title(2))
    assert {step: answer["result"] for step, answer in told.items()} == {
        "curated": "nothing",
        "generated": "nothing",
        "tvdb": "picture",
        "tmdb": "picture",
        "create": "not_asked",
    }
    assert [told[step]["candidate"]["score"] for step in ("tvdb", "tmdb")] == [70, 50]
    assert (told["tvdb"]["lost"], told["tmdb"]["lost"]) == (None, "50 is less than 70.")
    assert told["curated"]["reason"] == "No file is called after the character."


async def test_a_step_that_fails_falls_to_the_next_with_its_reason(found: Casting) -> None:
    title = found.title(3)
    found.tvdb.behave(Behaviour.failing(500), path="/v4/movies/3/extended")
    answer = await found.ask("Morpheus", title)
    assert (answer["source"], answer["quality_score"]) == ("tmdb", 50)
    told = await found.explained("Morpheus", title)
    assert (told["tvdb"]["result"], "500" in told["tvdb"]["reason"]) == ("failed", True)


async def test_where_all_fail_it_is_said_and_that_making_one_is_not_set_up(found: Casting) -> None:
    title = found.title(4)
    missing = await found.ask("Nobody", title)
    assert (missing["success"], missing["image_url"], missing["quality_score"]) == (False, None, 0)
    assert "create: A picture is made only for who shows a token." in missing["reason"]
    reply = await found.enricher.manage(
        "GET", f"/api/v1/characters/image?name=Nobody&movie_title={title.replace(' ', '+')}"
    )
    assert "create: Making pictures is not set up." in reply.json["reason"]


async def test_who_may_be_one_of_several_is_told_and_not_guessed(found: Casting) -> None:
    title = found.title(5, tmdb=("Tony Stark / Iron Man", "Howard Stark"), tvdb=None)
    answer = await found.ask("Stark", title)
    assert not answer["success"]
    assert answer["ambiguous"] == ["Tony Stark / Iron Man (Actor 0)", "Howard Stark (Actor 1)"]
    for actor in (1, 0, 1):
        answer = await found.ask("Stark", title, actor=f"Actor {actor}")
        assert answer["source_url"].endswith(f"face{actor}.jpg")
    assert not (await found.ask("Stark", title))["success"]
    assert (await found.ask("iron man", title))["source_url"].endswith("face0.jpg")


async def test_what_was_found_is_kept_in_both_tiers_and_found_again_with_its_score(found: Casting) -> None:
    title = found.title(6)
    first = await found.ask("Morpheus", title)
    asked = found.tvdb.total, found.tmdb.total
    again = await found.ask("MORPHEUS", title)
    assert (first["cache_hit"], again["cache_hit"], again["generation_time"]) == (False, True, 0)
    await found.post("clear-cache", None)
    from_table = await found.ask("Morpheus", title)
    assert (from_table["cache_hit"], from_table["quality_score"]) == (True, 70)
    assert (found.tvdb.total, found.tmdb.total) == asked
    by_id = await found.enricher.get(f"/api/v1/characters/{first['character_id']}/image")
    assert by_id.json["image_url"] == first["image_url"]
    forced = await found.ask("Morpheus", title, force_regenerate="true")
    assert (forced["cache_hit"], forced["success"]) == (False, True)


async def test_a_number_is_tvdbs_and_an_id_that_nobody_knows_is_not_found(found: Casting) -> None:
    found.title(7)
    answer = await found.enricher.get("/api/v1/characters/7001/image")
    assert (answer.json["character_name"], answer.json["external_character_id"]) == ("Morpheus", 7001)
    assert (answer.json["source"], answer.json["quality_score"]) == ("tvdb", 70)
    for unknown in ("999999", "5d0a2a53-6f0b-4f0e-8b3e-0d6c9a1f7c11"):
        assert (await found.enricher.get(f"/api/v1/characters/{unknown}/image")).status == 404
    assert (await found.enricher.get("/api/v1/characters/neo/image")).status == 400


async def test_a_preload_asks_each_provider_once_for_the_whole_cast(found: Casting) -> None:
    roles = [f"Character {letter}{other}" for letter in "ABCDEF" for other in "abcde"]
    title = found.title(8, tmdb=roles, tvdb=roles[10:])
    preloaded = await found.post("preload", {"movie_title": title})
    assert (preloaded["characters"], preloaded["found"]) == (30, 30)
    assert preloaded["by_source"] == {"tvdb": 20, "tmdb": 10}
    assert (found.tmdb.counts["/3/movie/8"], found.tvdb.counts["/v4/movies/8/extended"]) == (1, 1)
    asked = found.tvdb.total, found.tmdb.total
    assert (await found.ask("Character Fe", title))["cache_hit"]
    assert (found.tvdb.total, found.tmdb.total) == asked


async def test_by_name_only_the_first_of_a_cast_are_looked_through(found: Casting) -> None:
    title = found.title(9, tmdb=[f"Role {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"], tvdb=None)
    assert (await found.ask("Role t", title))["success"]
    assert not (await found.ask("Role u", title))["success"]


async def test_a_file_of_an_operators_wins_within_seconds_and_is_served(found: Casting) -> None:
    title = found.title(10)
    assert (await found.ask("Agent Smith", title))["source"] == "tmdb"
    folder = found.folder / "characters"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "agent_smith_profile.png"
    file.write_bytes(encode(photo(1, (300, 400)), "png"))

    async def is_curated() -> bool:
        return bool((await found.ask("Agent Smith", title))["source"] == "character_specific")

    await until(is_curated, every_s=0.2)
    answer = await found.ask("Agent Smith", title)
    assert (answer["quality_score"], answer["penalty"]) == (100, None)
    assert answer["source_url"] == "/api/image-no-auth/agent_smith_profile.png"
    assert (await found.enricher.picture(answer["image_url"]))[0] == 200
    file.unlink()

    async def is_not() -> bool:
        return not await is_curated()

    await until(is_not, every_s=0.2)


async def test_a_blurred_small_picture_loses_to_a_good_one_of_the_next_provider(found: Casting) -> None:
    blurred = photo(1, (45, 68)).filter(ImageFilter.GaussianBlur(3))
    found.pictures.put("/blurred.jpg", encode(blurred, "jpeg"))
    title = found.title(11, role="/blurred.jpg")
    answer: dict[str, Any] = await found.ask("Morpheus", title)
    assert (answer["source"], answer["penalty"]) == ("tvdb", None)

    async def is_better() -> bool:
        answer.update(await found.ask("Morpheus", title))
        return bool(answer["source"] == "tmdb")

    await until(is_better, every_s=0.2)
    told = await found.explained("Morpheus", title)
    assert told["tvdb"]["candidate"]["score"] == 70
    assert 20 < told["tvdb"]["candidate"]["penalty"] <= 30
    assert "Its measure takes away" in told["tvdb"]["candidate"]["why"]


async def test_what_is_reported_drops_out_and_does_not_come_back(found: Casting) -> None:
    title = found.title(12)
    wrong = await found.ask("Morpheus", title)
    by_number = "/api/v1/characters/12001/image"
    assert (await found.enricher.get(by_number)).json["image_url"] == wrong["image_url"]
    report = {"name": "morpheus", "movie_title": title, "image_url": wrong["image_url"], "reason": "wrong"}
    assert await found.post("report", report) == {"dropped": 1}
    assert (await found.ask("Morpheus", title))["source"] == "tmdb"
    assert (await found.ask("Morpheus", title, force_regenerate="true"))["source"] == "tmdb"
    assert (await found.enricher.get(by_number)).json["source"] == "tmdb"
    told = await found.explained("Morpheus", title)
    assert told["tvdb"]["reason"] == "Its picture was reported, or is dead."


async def test_what_the_database_has_is_worth_80_where_it_is_called_like_a_generated_picture(
    found: Casting,
) -> None:
    title = found.title(13)
    character = {"name": "Morpheus", "movie_title": title, "profile_path": "/image/anonymous_1.jpg"}
    known = await found.post("", character)
    answer = (await found.enricher.get(f"/api/v1/characters/{known['id']}/image")).json
    assert (answer["source"], answer["quality_score"]) == ("ai_generated", 80)
    assert answer["image_url"] == "/api/image-no-auth/anonymous_1.jpg"


async def test_enhancing_adds_the_url_and_the_path_from_the_source_that_is_said(found: Casting) -> None:
    title = found.title(14)
    order = {"characters": [{"name": name, "movie_title": title} for name in ("Morpheus", "Nobody")]}
    morpheus, nobody = (await found.post("enhance", {**order, "source": "tmdb"}))["characters"]
    assert (morpheus["source"], morpheus["quality_score"]) == ("tmdb", 50)
    assert morpheus["profile_path"].endswith("/face1.jpg")
    assert (nobody["success"], nobody["image_url"]) == (False, None)
    one = {"character": {"name": "Morpheus", "movie_title": title}, "source": "database"}
    assert (await found.post("enhance", one))["characters"][0]["source"] == "tmdb"


async def test_a_batch_answers_for_each_and_one_that_fails_fails_alone(found: Casting) -> None:
    title = found.title(15)
    ids = [(await found.ask(name, title))["character_id"] for name in ("Neo", "Morpheus")]
    answer = await found.post("batch", {"ids": [*ids, "999999"]})
    assert (answer["succeeded"], answer["failed"], answer["batches"]) == (2, 1, 1)
    assert answer["results"]["999999"]["reason"] == "Nobody has a character of this number."


async def test_a_characters_name_shows_what_the_chain_chose(found: Casting) -> None:
    answer = await found.ask("Morpheus", found.title(16))
    path = f"/api/v1/images/character/{answer['character_id']}/portrait/w185.webp"
    status, body = await found.enricher.picture(path)
    assert (status, body[8:12]) == (200, b"WEBP")


async def test_statistics_count_what_is_known(found: Casting) -> None:
    await found.ask("Morpheus", found.title(17))
    told = (await found.enricher.get("/api/v1/characters/stats")).json
    assert told["total_cached_images"] > 0
    assert (told["cache_ttl"], told["batch_size"]) == (14 * 24 * 3600, 5)
    counted = await found.enricher.text("/metrics")
    assert 'onesheet_character_images_total{outcome="provider"}' in counted


async def test_dead_links_drop_out_and_poor_pictures_are_listed(
    found: Casting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BETWEEN_S", 0.0)
    title = found.title(18, tvdb=None)
    await found.ask("Morpheus", title)
    await found.ask("Trinity", title)
    found.pictures.put("/t/p/w500/face2.jpg", encode(photo(1, (30, 30)), "jpeg"))
    task = await found.enricher.ended("/api/v1/characters/audit")
    assert task["state"] == "done"
    outcomes = {item["name"]: item["outcome"] for item in task["items"]}
    assert outcomes[f"Morpheus / {title} (tmdb)"] == "dead"
    assert outcomes[f"Trinity / {title} (tmdb)"] == "below 70"
    assert not (await found.ask("Morpheus", title))["success"]
    assert (await found.enricher.ended("/api/v1/characters/clean-up"))["state"] == "done"


async def test_an_operators_file_is_served_by_its_own_name_without_signing_in(found: Casting) -> None:
    found.folder.mkdir(parents=True, exist_ok=True)
    body = encode(photo(2, (60, 90)), "png")

    async def status(path: str) -> int:
        return (await found.enricher.picture(path))[0]

    async def is_known() -> bool:
        asked = "/api/v1/characters/profile-image?media_id=1&actor_id=2&character=nobody"
        url = (await found.enricher.get(f"{asked}&actor=Keanu%20Reeves")).json["image_url"]
        return bool(url == "/api/image-no-auth/actor_specific_image_keanu_reeves.png")

    assert await status("/api/image-no-auth/actor_specific_image_keanu_reeves.png") == 404
    (found.folder / "zoe.png").write_bytes(body)
    (found.folder / "actor_specific_image_keanu_reeves.png").write_bytes(body)
    await until(is_known)

    async def is_served() -> bool:  # although it was remembered that there is none
        return await status("/api/image-no-auth/actor_specific_image_keanu_reeves.png") == 200

    await until(is_served)
    assert await status("/api/image-no-auth/zoe.png?size=small") == 200
    assert await status("/api/image-no-auth/elsewhere.png") == 404
    (found.folder / "private_a.png").write_bytes(body)
    assert await status("/api/image-no-auth/private_a.png") == 403
