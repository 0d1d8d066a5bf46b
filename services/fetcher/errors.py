"""What can go wrong with a picture, as the pipeline sees it."""

from datetime import timedelta

from shared.pictures import FailureClass, RefusalReason


class PictureError(Exception):
    """The picture, or one rendition of it, cannot be had now. `reason` is a sentence for users.

    PictureError
    ├── NotAsked         nobody was asked: that is no failure of this picture, and not remembered
    │   ├── HostIsPaused   the host wants to be left alone
    │   └── HostIsBusy     as many as may ask the host at once do so already
    ├── Refused          our own policy does not let us ask
    └── RendererDied     the process that decoded it crashed or ran out of time
    """

    crashed = False

    def __init__(
        self,
        failure_class: FailureClass,
        reason: str,
        *,
        status: int | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(reason)
        self.failure_class = failure_class
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class NotDialled(PictureError):
    pass


class HostIsPaused(NotDialled):
    def __init__(self, authority: str, left: timedelta, *, failing: bool) -> None:
        why = "keeps failing" if failing else "asked us to wait"
        super().__init__(FailureClass.BUSY, f"The picture's host {authority} {why}.", retry_after=left)


class HostIsBusy(NotDialled):
    def __init__(self, authority: str) -> None:
        super().__init__(
            FailureClass.BUSY,
            f"Too many pictures of {authority} are being fetched already.",
            retry_after=timedelta(seconds=1),
        )


class DownloadRefused(PictureError):
    """By which rule, and what: `url` is what was to be asked, `detail` for operators only."""

    def __init__(self, rule: RefusalReason, url: str, reason: str, *, detail: str = "") -> None:
        super().__init__(FailureClass.REFUSED, reason)
        self.rule = rule
        self.url = url
        self.detail = detail


class RendererDied(PictureError):
    """The first time it may have been us; the second time it is the picture (see `Failure.after`)."""

    crashed = True

    def __init__(self, reason: str) -> None:
        super().__init__(FailureClass.OURS, reason)
