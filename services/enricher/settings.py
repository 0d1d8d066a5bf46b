"""What can be set of the enricher."""

from pydantic import Field

from services.enricher.account import AccountSettings
from services.enricher.api.access import AccessSettings
from services.enricher.api.users import UserSettings
from services.enricher.characters import CharacterSettings
from services.enricher.database.engines import DatabaseSettings
from services.enricher.finder import FinderSettings
from services.enricher.keeper.catalog.budget import CatalogSettings
from services.enricher.keeper.videos import VideoSettings
from services.enricher.library import LibrarySettings
from services.enricher.pages.site import PageSettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.enricher.streamers import StreamerSettings
from services.enricher.studio import StudioSettings
from services.enricher.uploads import UploadSettings
from shared.settings import HostSettings, Settings


class EnricherSettings(Settings):
    access: AccessSettings = Field(default_factory=AccessSettings)
    account: AccountSettings = Field(default_factory=AccountSettings)
    catalog: CatalogSettings = Field(default_factory=CatalogSettings)
    characters: CharacterSettings = Field(default_factory=CharacterSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    finder: FinderSettings = Field(default_factory=FinderSettings)
    hosts: HostSettings = Field(default_factory=HostSettings)
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    pages: PageSettings = Field(default_factory=PageSettings)
    uploads: UploadSettings = Field(default_factory=UploadSettings)
    streamers: StreamerSettings = Field(default_factory=StreamerSettings)
    studio: StudioSettings = Field(default_factory=StudioSettings)
    urls: PictureUrlSettings = Field(default_factory=PictureUrlSettings)
    users: UserSettings = Field(default_factory=UserSettings)
    videos: VideoSettings = Field(default_factory=VideoSettings)
