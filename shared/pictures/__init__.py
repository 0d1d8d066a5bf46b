"""The language of the volume: what a picture is, what it is called, and where it lies.

Pure and typed: nothing here reads a clock, a disk or a network. Everything the services say to one
another about pictures, in jobs, events, paths and files, is said in these words.
"""

from shared.pictures.failure import Failure, FailureClass, RefusalReason
from shared.pictures.hosts import HostRules, picture_host
from shared.pictures.manifest import DOWNLOAD, Manifest, Measure, Original, Placeholder, State, Validators
from shared.pictures.name import Kind, Name, Role
from shared.pictures.paths import Tree, candidates, name_failure_path, name_path, picture_path
from shared.pictures.rendition import (
    ORIGINAL,
    SIZES,
    STANDARD_SIZES,
    Box,
    Format,
    Rendition,
    extension_of,
    media_type_of,
)
from shared.pictures.source import (
    PictureId,
    RevisionId,
    Source,
    SourceUrl,
    Upload,
    parse_source,
    picture_id,
    revision_id,
)

__all__ = [
    "DOWNLOAD",
    "ORIGINAL",
    "SIZES",
    "STANDARD_SIZES",
    "Box",
    "Failure",
    "FailureClass",
    "Format",
    "HostRules",
    "Kind",
    "Manifest",
    "Measure",
    "Name",
    "Original",
    "PictureId",
    "Placeholder",
    "RefusalReason",
    "Rendition",
    "RevisionId",
    "Role",
    "Source",
    "SourceUrl",
    "State",
    "Tree",
    "Upload",
    "Validators",
    "candidates",
    "extension_of",
    "media_type_of",
    "name_failure_path",
    "name_path",
    "parse_source",
    "picture_host",
    "picture_id",
    "picture_path",
    "revision_id",
]
