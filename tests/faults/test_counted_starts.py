"""A picture that kills the whole fetcher leaves a trace: its starts, of jobs that were delivered before."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from services.fetcher.admission import Claim
from services.fetcher.errors import PictureError
from services.fetcher.jobs.making import STARTS_AT_MOST, count_start
from services.fetcher.shares import Admitted, Seats, Slots
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import Envelope, PurgePicture
from shared.pictures import FailureClass, PictureId
from shared.volume.local.layout import Layout
from shared.volume.local.store import LocalPictureStore

PICTURE = PictureId("ab" * 16)


def delivery(*, redelivered: bool) -> JobDelivery:
    envelope = Envelope.of(PurgePicture(picture=PICTURE), trace_id="trace")
    return JobDelivery(
        envelope.model_copy(update={"redelivered": redelivered}),
        urgent=True,
        turn=Admitted(Slots(1, Seats(1)), Claim(), None, urgent=True),
    )


async def test_the_tenth_start_without_an_end_makes_the_picture_unsound(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    with closing(LocalPictureStore(layout)) as store:
        deps = cast("Deps", SimpleNamespace(pictures=store))
        for _ in range(STARTS_AT_MOST - 1):
            await count_start(PICTURE, delivery(redelivered=True), deps)
        await count_start(PICTURE, delivery(redelivered=False), deps)
        with pytest.raises(PictureError) as ended:
            await count_start(PICTURE, delivery(redelivered=True), deps)
    assert ended.value.failure_class is FailureClass.UNSOUND
