"""Some hundred broken pictures: each ends in a rendition or in a failure with a class, and costs nobody else anything."""

from random import Random

import pytest

from shared.contracts import FetchPicture
from tests.fuzz.hunt import hunt, mutants
from tests.fuzz.mutations import mutant
from tests.fuzz.parts import parts_of
from tests.fuzz.seeds import Seed, drawn
from tests.fuzz.whole import hunt_through
from tests.integration.conftest import Start

SEED = 2026
COUNT = 200
"""`make fuzz` breaks thousands."""


async def test_every_mutant_ends_in_a_rendition_or_a_classified_failure() -> None:
    findings = await hunt(mutants(drawn(), COUNT, SEED))
    assert findings.wrong == []
    assert sum(findings.outcomes.values()) == COUNT
    assert findings.outcomes["rendered"] > COUNT / 10
    assert findings.outcomes["unsound"] > COUNT / 10


async def test_no_mutant_gets_past_the_fetcher(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false", RENDER_PROCESSES="2")
    findings = await hunt_through(onesheet, mutants(drawn(), COUNT // 4, SEED + 1))
    assert findings.wrong == []
    assert sum(findings.outcomes.values()) == COUNT // 4
    assert onesheet.count("onesheet_jobs_total", type=FetchPicture.__name__, outcome="broken") == 0


@pytest.mark.parametrize("seed", drawn(), ids=lambda seed: str(seed.name))
def test_the_parts_of_a_file_join_to_the_file(seed: Seed) -> None:
    assert b"".join(parts_of(seed.body)) == seed.body


def test_the_same_dice_make_the_same_mutant() -> None:
    bodies = [seed.body for seed in drawn()]
    once, again = (
        [mutant(Random(number), body, bodies[0]) for number, body in enumerate(bodies)] for _ in range(2)
    )
    assert once == again
    assert once != bodies
