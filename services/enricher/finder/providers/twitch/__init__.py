"""Twitch's Helix API (https://dev.twitch.tv/docs/api/reference): streamers, categories, streams, and where their pictures are."""
