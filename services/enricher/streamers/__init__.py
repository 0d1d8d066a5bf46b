"""The streamer library: streamers, categories and streams of Twitch, their pictures under the names that media servers and
StreamVault's pages know, and the same on disk.
"""

from services.enricher.streamers.opening import StreamerSettings, StreamersWing, open_streamers

__all__ = ["StreamerSettings", "StreamersWing", "open_streamers"]
