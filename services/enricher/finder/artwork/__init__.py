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
