"""Whom a download may ask: hosts by the rules, addresses by the table, at the first request as at each redirect."""

import re

import structlog

from services.fetcher.errors import DownloadRefused
from shared.http.addresses import AddressPolicy, AddressRefused
from shared.http.untrusted import FollowingRefused, redirected
from shared.pictures import HostRules, RefusalReason, SourceUrl
from shared.telemetry import MAX_FIELD, Metrics, add_to_line

_LOGIN = re.compile(r"//[^/?#]*@")
_log = structlog.get_logger()


_NOT_FOLLOWED = {
    RefusalReason.URL: "The source redirects to no plain URL: ",
    RefusalReason.DOWNGRADE: "The source redirects from https to http.",
    RefusalReason.REDIRECTS: "The source redirects too often.",
}


class Policy:
    """Allowed hosts at their allowed ports, where they lie at addresses that we connect to. Raises DownloadRefused."""

    def __init__(self, hosts: HostRules, addresses: AddressPolicy, *, max_redirects: int) -> None:
        self._hosts = hosts
        self._max_redirects = max_redirects
        self._addresses = addresses

    def check(self, source: SourceUrl, authorised_host: str | None) -> None:
        """`authorised_host`: allowed besides the rules, with its port where that is not the usual one."""
        rule = self._hosts.refusal(source)
        if rule and source.authority != authorised_host:
            raise DownloadRefused(rule, str(source), f"Pictures are not fetched from {source.authority}.")
        try:
            self._addresses.check_literal(source)
        except AddressRefused as refused:
            raise self.address_refused(source, refused) from refused
        if self._addresses.may_be_private(source.host, source.port):
            add_to_line(may_be_private=source.authority)

    def redirected(self, source: SourceUrl, location: str, times: int) -> SourceUrl:
        """Where the redirect leads, which is `times` after the first request; it goes through every check again."""
        try:
            return redirected(source, location, times, at_most=self._max_redirects)
        except FollowingRefused as refused:
            reason = f"{_NOT_FOLLOWED[refused.why]}{refused}"
            raise DownloadRefused(refused.why, refused.url, reason) from None

    @staticmethod
    def address_refused(source: SourceUrl, refused: AddressRefused) -> DownloadRefused:
        return DownloadRefused(
            RefusalReason.ADDRESS, str(source), "The host has no public address.", detail=str(refused)
        )


def report(refused: DownloadRefused, asked_for: SourceUrl, metrics: Metrics) -> None:
    """A line and a count. `asked_for`: where the redirects, if any, began."""
    metrics.refusals.labels(refused.rule).inc()
    _log.warning(
        "refused",
        rule=refused.rule.value,
        url=_LOGIN.sub("//", refused.url[:MAX_FIELD]).encode("ascii", "backslashreplace").decode(),
        asked_for=str(asked_for)[:MAX_FIELD],
        detail=refused.detail,
    )
