"""What can go wrong with asking a provider. How long each is remembered is the cache's to say."""

from datetime import datetime, timedelta

from shared.pictures import FailureClass


class ProviderError(Exception):
    """A provider did not give what it was asked for. `reason` is a sentence for users, without secrets.

    ProviderError
    ├── NothingThere    gone: the provider knows no such thing
    ├── Misconfigured   refused: it does not accept our key, headers or account; says nothing about the thing
    ├── Refused         refused: it will not do what was asked
    ├── Busy            busy: it asks us to wait
    │   └── NotAsked    our own budget would not let us ask in time
    ├── Broken          upstream: it broke, or could not be reached
    └── Unreadable      unsound: its answer is not what it documents, or too large
    """

    failure_class = FailureClass.OURS

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class NothingThere(ProviderError):
    failure_class = FailureClass.GONE


class Misconfigured(ProviderError):
    failure_class = FailureClass.REFUSED


class Refused(ProviderError):
    failure_class = FailureClass.REFUSED


class Busy(ProviderError):
    failure_class = FailureClass.BUSY


class NotAsked(Busy):
    """`busy_until`: when it would be our turn."""

    def __init__(self, provider: str, *, busy_until: datetime, now: datetime) -> None:
        wait = max(timedelta(0), busy_until - now)
        super().__init__(f"{provider} must not be asked again before {busy_until:%X}.", retry_after=wait)
        self.busy_until = busy_until


class Broken(ProviderError):
    failure_class = FailureClass.UPSTREAM


class Unreadable(ProviderError):
    failure_class = FailureClass.UNSOUND
