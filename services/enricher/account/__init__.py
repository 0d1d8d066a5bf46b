"""Somebody's account at Trakt, and what they watched: signing in, importing, staying in sync, writing back.

    account = await enter(open_account(settings, ground, finder, items))
    works = {…, **account.works}                    # tasks: full imports and syncs
    endpoints = account.endpoints(tasks, urls)

What Trakt's history has is mirrored by its entries' ids (`mirror`), and made into entries, sessions and episodes here
(`applying`). A person's own changes are `here`, and stay whatever happens at Trakt. Trakt's texts are never kept.
"""

from services.enricher.account.account import AccountSettings, AccountWing, open_account

__all__ = ["AccountSettings", "AccountWing", "open_account"]
