"""Pictures by what they show: candidates from the providers, and the choice among them.

    async with open_artwork(settings, metadata_settings, providers, metadata) as artwork:
        subject = Subject.parse(Kind.MOVIE, "tmdb:603")      # ValueError: a sentence for the user
        finding = await artwork.find(subject, Role.POSTER, within=timedelta(seconds=5))
        finding.chosen                                       # a Candidate with its source_url, or None:
        finding.lack                                         # then why, of what class, and when to look again
        await artwork.explain(…)                             # every provider's candidates, and why each lost

`find` never raises for what providers do. One request answers for all roles of a title, and is shared by all who
ask for it at once. Nothing here knows of queues, jobs or databases.
"""

from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.artwork.candidate import Candidate
from services.enricher.finder.artwork.choice import Choice, Reason, Taste, Textless, Verdict, choose
from services.enricher.finder.artwork.finding import Answer, Answered, Finding, Lack
from services.enricher.finder.artwork.opening import open_artwork
from services.enricher.finder.artwork.settings import ArtworkSettings
from services.enricher.finder.artwork.subject import Subject

__all__ = [
    "Answer",
    "Answered",
    "Artwork",
    "ArtworkSettings",
    "Candidate",
    "Choice",
    "Finding",
    "Lack",
    "Reason",
    "Subject",
    "Taste",
    "Textless",
    "Verdict",
    "choose",
    "open_artwork",
]
