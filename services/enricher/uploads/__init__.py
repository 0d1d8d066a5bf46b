"""What users upload: pictures that nobody else has, each by a name that nobody guesses, counted, and avatars.

    uploads = await enter(open_uploads(settings, ground, finder))
    endpoints = upload_endpoints(uploads, urls)

The bytes go the way of an operator's own (`StoreUpload`), are kept as JPEG, and are served as any name is.
"""

from services.enricher.uploads.api import upload_endpoints
from services.enricher.uploads.uploads import Uploads, UploadSettings, open_uploads

__all__ = ["UploadSettings", "Uploads", "open_uploads", "upload_endpoints"]
