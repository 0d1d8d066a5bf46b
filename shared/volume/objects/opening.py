"""A volume of objects, opened: one client, one memory of records and one cache of files for all of a process."""

import asyncio
import time

from shared import contracts
from shared.volume import port, views
from shared.volume.local.layout import check_state_dir
from shared.volume.local.sweep import DRAFT_AGE_S, remove_older
from shared.volume.objects.cached_files import CachedFiles
from shared.volume.objects.client import ObjectClient
from shared.volume.objects.inventory import ObjectIntegrity, ObjectInventory
from shared.volume.objects.names import ObjectHostPauses, ObjectInbox, ObjectNameStore
from shared.volume.objects.pictures import CachedPictures, ObjectPictures
from shared.volume.objects.probe import identity_of, probe
from shared.volume.objects.records import PictureRecords
from shared.volume.objects.store import ObjectPictureStore, ObjectPins
from shared.volume.objects.sweep import ObjectSweep
from shared.volume.objects.videos import ObjectVideos
from shared.volume.settings import VolumeRefused, VolumeSettings


class ObjectVolume:
    """All of one process; raises VolumeRefused, in a sentence, where the store cannot keep a volume."""

    def __init__(self, settings: VolumeSettings, *, on_step: port.OnStep = port.unwatched) -> None:
        if settings.objects is None:
            raise VolumeRefused(f"VOLUME_URL: {settings.url} is no store of objects.")
        check_state_dir(settings.root, settings.state_dir)
        self._settings = settings.objects
        self.client = ObjectClient(self._settings)
        probe(self.client)
        self._identity = identity_of(self.client)
        self.records = PictureRecords(self.client)
        self._names = ObjectNameStore(self.client)
        self._hosts = ObjectHostPauses(self.client)
        self.records.ask_also = self._hosts.ask_ahead
        self._drafts = self._settings.cache_directory / "drafts"
        self._videos = ObjectVideos(self.client, self._drafts)
        self._store = ObjectPictureStore(self.client, self.records, drafts=self._drafts, on_step=on_step)
        self._files: CachedFiles | None = None

    @property
    def live(self) -> views.LiveVolume:
        settings = self._settings
        facts = views.StorageFacts(backend="s3", bucket=settings.bucket, endpoint=settings.endpoint or None)
        costs = self.client.costs
        return views.LiveVolume(
            hear=self.hear,
            requests=lambda: costs.requests,
            bytes=lambda: costs.bytes,
            facts=facts,
            opened=self,
        )

    def to_read(self) -> views.ReadVolume:
        if self._files is None:
            try:
                self._files = CachedFiles(self._settings.cache_directory, self._settings.cache_bytes)
            except OSError as error:
                raise VolumeRefused(
                    f"VOLUME_CACHE_DIR: {self._settings.cache_directory} is not writable: {error.strerror}."
                ) from error
            self._store.files = self._files
        pictures = CachedPictures(self.client, self.records, self._files)
        return views.ReadVolume(
            pictures=pictures,
            names=self._names,
            hosts=self._hosts,
            videos=self._videos,
            check=self._check,
            identity=lambda: self._identity,
            live=self.live,
        )

    def to_keep(self) -> views.KeeperVolume:
        return views.KeeperVolume(
            pictures=ObjectPictures(self.client, self.records),
            names=self._names,
            inventory=ObjectInventory(self.client, self.records),
            integrity=ObjectIntegrity(self.client, self.records),
            inbox=ObjectInbox(self.client),
            hosts=self._hosts,
            videos=self._videos,
            identity=lambda: self._identity,
            live=self.live,
        )

    def to_write(self) -> views.WriteVolume:
        self._drafts.mkdir(parents=True, exist_ok=True)
        sweep = ObjectSweep(self.client, self.records, self._hosts)

        async def sweep_once() -> int:
            drafts = await asyncio.to_thread(remove_older, self._drafts, time.time() - DRAFT_AGE_S)
            return drafts + await sweep.once()

        return views.WriteVolume(
            pictures=self._store,
            names=self._names,
            pins=ObjectPins(self.client, self.records),
            inbox=ObjectInbox(self.client),
            hosts=self._hosts,
            videos=self._videos,
            mending=ObjectIntegrity(self.client, self.records),
            sweep=sweep_once,
            shown=self._names.shown,
            drafts=port.LocalDirectory(self._drafts),
            files=(),
            identity=lambda: self._identity,
            live=self.live,
        )

    def hear(self, event: contracts.Message) -> None:
        """What an event speaks of is read anew, before anybody else hears of it."""
        match event:
            case contracts.PictureStored(
                picture=picture, revision=revision, renditions=renditions, name=name
            ):
                self.records.expect(picture, revision, frozenset(map(str, renditions)))
                if name:
                    self._names.expect(name, picture)
            case contracts.NameRefused(name=name):
                self._names.forget(name)
            case contracts.PictureFailed(picture=picture, name=name):
                self.records.forget(picture)
                if name:
                    self._names.forget(name)
            case contracts.HostPaused():
                self._hosts.heard()
        for picture in contracts.removed_pictures(event):
            self.records.forget(picture)
            if self._files:
                self._files.forget(picture)

    async def _check(self) -> None:
        """Whether the store answers; what is here already is served all the same."""
        try:
            await self.client.is_there("volume-id")
        except OSError as error:
            raise VolumeRefused(f"VOLUME_URL: {error}.") from error

    async def settled(self) -> None:
        await self._store.close()
        if self._files:
            await self._files.settled()

    def close(self) -> None:
        self._store.close_now()
        self.client.close()
        if self._files:
            self._files.close()
