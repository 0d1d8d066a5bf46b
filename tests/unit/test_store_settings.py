"""Which volume the settings name, in our words and in another program's."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.volume import VolumeSettings


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "file:data"),
        ({"VOLUME_URL": "s3://pictures/a/b"}, "s3://pictures/a/b"),
        ({"STORAGE_BACKEND": "s3"}, "s3://tvdb-images"),
        ({"STORAGE_BACKEND": "s3", "S3_BUCKET_THUMBNAILS": "small"}, "s3://small"),
        ({"STORAGE_BACKEND": "s3", "S3_BUCKET_NAME": "all", "S3_BUCKET_THUMBNAILS": "small"}, "s3://all"),
        ({"STORAGE_BACKEND": "s3", "VOLUME_URL": "file:mine"}, "file:mine"),
        ({"STORAGE_BACKEND": "local", "LOCAL_STORAGE_PATH": "/srv/x"}, "file:/srv/x"),
        ({"STORAGE_BACKEND": "none"}, "file:data"),
    ],
)
def test_the_volume_is_the_one_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = VolumeSettings()
    assert settings.url == url
    assert (settings.objects.url if settings.objects else url) == url


@pytest.mark.parametrize(
    ("said", "ssl", "endpoint"),
    [
        ("minio:9000", True, "https://minio:9000"),
        ("minio:9000", False, "http://minio:9000"),
        ("http://minio:9000/", True, "http://minio:9000"),
        ("", True, ""),
    ],
)
def test_an_endpoint_may_be_said_without_its_scheme(said: str, ssl: bool, endpoint: str) -> None:
    store = VolumeSettings(volume_url="s3://pictures", s3_endpoint_url=said, s3_use_ssl=ssl).objects
    assert store
    assert store.endpoint == endpoint


def test_originals_and_the_rest_lie_in_one_bucket_unless_others_are_said() -> None:
    store = VolumeSettings(volume_url="s3://pictures/x", s3_bucket_originals="originals").objects
    assert store
    assert (store.buckets, store.thumbnails) == (("pictures", "originals"), "pictures")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"volume_url": "az://container"}, "Azure Blob Storage is not spoken: set VOLUME_URL=file:"),
        ({"volume_url": "s3://"}, "must be s3://<bucket>"),
        ({"volume_url": "s3://pictures/../x"}, "must be s3://<bucket>"),
        ({"volume_url": "ftp://pictures"}, "must be file:<directory> or s3://"),
        ({"volume_url": "s3://pictures", "s3_access_key_id": "a"}, "set both, or neither"),
    ],
)
def test_what_cannot_be_a_volume_is_refused_in_a_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        VolumeSettings.model_validate(settings)
    assert sentence in str(refused.value)


def test_what_is_set_of_a_store_beside_files_is_told() -> None:
    settings = VolumeSettings(s3_endpoint_url="http://minio:9000", s3_secret_access_key="x")
    assert settings.unused == ("S3_ENDPOINT_URL", "S3_SECRET_ACCESS_KEY")
    assert VolumeSettings(volume_url="s3://pictures", s3_endpoint_url="http://minio:9000").unused == ()


def test_the_secret_is_in_no_text_of_the_settings() -> None:
    settings = VolumeSettings(volume_url="s3://pictures", s3_access_key_id="id", s3_secret_access_key="hush")
    assert "hush" not in f"{settings!r}{settings.objects!r}"
