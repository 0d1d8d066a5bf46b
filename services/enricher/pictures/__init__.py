"""Pictures as pages show them: their URLs with us, what is known of them, and that they are on their way."""

from services.enricher.pictures.prefetch import Prefetch
from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings, ShownPicture, ShownPictures

__all__ = ["PictureUrlSettings", "PictureUrls", "Prefetch", "ShownPicture", "ShownPictures"]
