"""Pictures as pages show them: their URLs with us, what is known of them, and that they are on their way."""

from services.enricher.pictures.ahead import Ahead
from services.enricher.pictures.settings import PictureUrlSettings
from services.enricher.pictures.shown import ShownPicture, ShownPictures
from services.enricher.pictures.urls import PictureUrls

__all__ = ["Ahead", "PictureUrlSettings", "PictureUrls", "ShownPicture", "ShownPictures"]
