"""HEIC, as phones write it: read by libheif, always as a still.

Its decoder sees the item that is primary, turns and crops it itself, and does not heed its code points.
"""

import resource
from base64 import b85decode
from io import BytesIO

from pi_heif import options
from pi_heif.as_plugin import HeifImageFile
from PIL import Image

from services.fetcher.rendering.confinement import peak_bytes

MEDIA_TYPE = "image/heic"
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_SHORT_OF_MEMORY = ("Memory allocation", "did not give a decompressed image")
_NEAR_BYTES = 64 * 1024**2


def is_heif(body: bytes) -> bool:
    """Whether its first box names brands of HEIF, and none of AVIF, whose files name those of HEIF besides."""
    size = min(int.from_bytes(body[:4], "big"), 256)
    brands = {body[8:12], *(body[at : at + 4] for at in range(16, size, 4))}
    return body[4:8] == b"ftyp" and body[8:12] in _HEIF_BRANDS and not brands & _AVIF_BRANDS


def opened(body: bytes) -> Image.Image:
    """Raise SyntaxError for what cannot be read; MemoryError where memory was short."""
    try:
        image: Image.Image = HeifImageFile(BytesIO(body))
    except (SyntaxError, ValueError) as error:
        raise _judged(error) from error
    return image


def decoded(image: Image.Image) -> Image.Image:
    """The primary picture: seeking leads to others, even to the first."""
    try:
        image.load()
    except (RuntimeError, ValueError) as error:
        raise _judged(error) from error
    return image


def prepare() -> None:
    """Decode a sample: what the library loads for that is loaded before processes are confined, and they have its options."""
    options.DECODE_THREADS = 1  # the other cores have renderers of their own
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    opened(SAMPLE).load()


def _judged(error: Exception) -> Exception:
    """A lack of memory is told as damage of one kind or another, and damage never as that."""
    if any(text in str(error) for text in _SHORT_OF_MEMORY) and _is_near_limit():
        return MemoryError(str(error))
    return error


def _is_near_limit() -> bool:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return False
    return limit - peak_bytes() < _NEAR_BYTES


SAMPLE = b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004eZDn*}000000000XXk=`10000000000aA{+700000000000000000000B"
    "57=IV*mgE07O6l0RRC200001pa1~?00000001%o001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t00"
    "0010002|X>f9I0002oX>en20001WXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=Z"
    "ZRVE_RDDMA4O18@KU0|1Z!00RI30{|YNAb|yz>aLpR;31&EfB*mtfB*mk0EA)y0RRR>0l{;@i2wiq6Ju{|a&BX6cmM$a4FCp"
    "!0000KX>)L8000000000$0000$0000eV{Bn?00008000010000800001|NsBU00002|NsBU000020000GaA|mH000000|*ER"
    "0000OX>e^}0000000001009Mo0s{qv0000wZDe6|0000kC;_h%A!1`d^(P|#{x50&#AcuK4`qd&%ILvc^7_E`WShYAs*#?6h"
    "iRuU6?g"
)
"""Eight pixels square, of one colour."""
