from services.enricher.library.pages.kept import PAGE_BYTES, PICTURE_BYTES, KeptPages
from shared.http import RenderedBody
from shared.pictures import PictureId

A, B = PictureId("a" * 32), PictureId("b" * 32)
PAGE, OTHER = RenderedBody.of(b"page"), RenderedBody.of(b"other")
TWO_PAGES = len(b"pageother") + 2 * (PAGE_BYTES + PICTURE_BYTES)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def keep(
    pages: KeptPages[RenderedBody], clock: Clock, key: str, *pictures: PictureId, lasts_s: float = 60
) -> None:
    begun = clock()
    pages.keep(key, PAGE if key == "page" else OTHER, pictures, begun_s=begun, until_s=clock.now + lasts_s)


def a_page(*pictures: PictureId, max_bytes: int = 100_000) -> tuple[KeptPages[RenderedBody], Clock]:
    clock = Clock()
    pages: KeptPages[RenderedBody] = KeptPages(max_bytes=max_bytes, clock=clock)
    keep(pages, clock, "page", *pictures)
    return pages, clock


def test_a_page_is_kept_until_its_time_is_over() -> None:
    pages, clock = a_page(A)
    assert pages.get("page") == PAGE
    clock.now += 61
    assert pages.get("page") is None


def test_a_picture_that_changes_takes_every_page_that_shows_it_along() -> None:
    pages, clock = a_page(A, B)
    keep(pages, clock, "other", B)
    pages.forget(A)
    assert (pages.get("page"), pages.get("other")) == (None, OTHER)
    pages.forget(B)
    assert pages.get("other") is None


def test_a_page_during_whose_making_a_picture_changed_is_not_kept() -> None:
    pages, clock = a_page()
    begun = clock()
    pages.forget(A)
    pages.keep("page", PAGE, [B], begun_s=begun, until_s=clock.now + 60)
    assert pages.get("page") == PAGE
    pages.keep("other", OTHER, [A], begun_s=begun, until_s=clock.now + 60)
    assert pages.get("other") is None
    keep(pages, clock, "other", A)
    assert pages.get("other") == OTHER


def test_a_page_during_whose_making_the_library_changed_is_not_kept() -> None:
    pages, clock = a_page(A)
    begun = clock()
    pages.clear()
    pages.keep("page", PAGE, [A], begun_s=begun, until_s=clock.now + 60)
    assert pages.get("page") is None


def test_pages_are_bounded_by_their_memory_and_the_least_asked_for_goes() -> None:
    pages, clock = a_page(A, max_bytes=TWO_PAGES)
    keep(pages, clock, "other", A)
    assert pages.get("page") == PAGE
    keep(pages, clock, "third", A)
    assert (pages.get("other"), pages.get("page")) == (None, PAGE)
    pages.keep("huge", RenderedBody.of(b"x" * TWO_PAGES), [A], begun_s=clock(), until_s=clock.now + 60)
    assert pages.get("huge") is None


def test_what_is_no_longer_kept_is_no_longer_remembered() -> None:
    pages, clock = a_page(A, max_bytes=TWO_PAGES)
    for number in range(50):
        keep(pages, clock, f"page {number}", PictureId(f"{number:032x}"))
    assert len(pages._showing) <= 2
    pages.clear()
    assert not pages._showing


def test_a_page_kept_again_shows_what_it_shows_now() -> None:
    pages, clock = a_page(A)
    keep(pages, clock, "page", B)
    pages.forget(A)
    assert pages.get("page") == PAGE


def test_the_tag_changes_with_the_bytes() -> None:
    assert PAGE.etag != OTHER.etag
    assert PAGE.etag == RenderedBody.of(b"page").etag
