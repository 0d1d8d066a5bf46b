"""Icons: old ones, whose 32 bits hold no alpha, say what is clear in a mask behind their colours, as all did before."""

from PIL import Image
from PIL.IcoImagePlugin import IcoImageFile

_BITMAP_HEAD_BYTES = 40


def decoded(image: Image.Image) -> Image.Image:
    """The largest picture of an icon."""
    assert isinstance(image, IcoImageFile)
    entry = max(image.ico.entry, key=lambda entry: entry.dim)
    entry = next(each for each in image.ico.entry if each.dim == image.size) if image.size else entry
    image.load()
    if image.mode != "RGBA" or image.getchannel("A").getextrema() != (0, 0):
        return image
    file = image.ico.buf
    file.seek(entry.offset)
    bitmap = file.read(entry.size)
    if bitmap.startswith(b"\x89PNG"):
        return image
    stride = -(-image.width // 32) * 4
    at = _BITMAP_HEAD_BYTES + 4 * image.width * image.height
    mask = bitmap[at : at + stride * image.height].ljust(stride * image.height, b"\0")
    opaque = Image.frombuffer("1", image.size, mask, "raw", ("1;I", stride, -1))
    made = image.copy()
    made.putalpha(opaque.convert("L"))
    return made
