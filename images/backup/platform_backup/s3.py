"""Backups in a bucket: ``<prefix>/<platform>/<name>/<file>``. The manifest goes up last and is taken away first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import BackupError
from .files import tree
from .manifest import NAME, moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEYS_A_DELETE = 1000  # the API's limit


class Bucket:
    """One platform's backups in a bucket of S3 or of what is compatible with it."""

    def __init__(
        self,
        *,
        platform: str,
        bucket: str,
        prefix: str,
        endpoint: str,
        region: str,
        access_key_id: str,
        secret_access_key: str,
    ) -> None:
        self._bucket = bucket
        self._prefix = "/".join(part for part in (prefix, platform) if part) + "/"
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region or "us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                retries={"max_attempts": 5, "mode": "standard"},
                # Compatible stores know neither virtual hosts of buckets nor the newest checksums.
                s3={"addressing_style": "path" if endpoint else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def names(self) -> list[str]:
        return sorted(name for name, complete in self._found().items() if complete)

    def _found(self) -> dict[str, bool]:
        """Whatever has objects, by its name, and whether its manifest is one of them."""
        found: dict[str, bool] = {}
        with self._asking("listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    name, _, file = item["Key"].removeprefix(self._prefix).partition("/")
                    found[name] = found.get(name, False) or file == NAME
        return found

    def manifest(self, name: str) -> bytes:
        with self._asking("read"):
            return self._client.get_object(Bucket=self._bucket, Key=self._key(name, NAME))["Body"].read()

    def fetch(self, name: str, files: list[str], into: Path, /) -> Path:
        for file in files:
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._asking("read"):
                self._client.download_file(self._bucket, self._key(name, file), str(target))
        return into

    def publish(self, staging: Path, name: str) -> None:
        try:
            for file in sorted(tree(staging), key=lambda file: file == NAME):
                with self._asking("written"):
                    self._client.upload_file(str(staging / file), self._bucket, self._key(name, file))
        except Exception:
            with suppress(BackupError):  # where that fails too, a later backup sweeps
                self.delete(name)
            raise

    def delete(self, name: str) -> None:
        with self._asking("deleted"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name, NAME))
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(name, ""), PaginationConfig={"PageSize": _KEYS_A_DELETE}
            )
            for page in pages:
                keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
                if keys:
                    self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})  # type: ignore[typeddict-item]

    def sweep(self, before: datetime, /) -> list[str]:
        left = [
            name
            for name, complete in sorted(self._found().items())
            if not complete and (started := moment(name)) and started < before
        ]
        for name in left:
            self.delete(name)
        return left

    def _key(self, name: str, file: str) -> str:
        return f"{self._prefix}{name}/{file}"

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        where = f"Bucket {self._bucket} ({self._client.meta.endpoint_url})"
        try:
            yield
        except ClientError as error:
            reason = error.response.get("Error", {})
            raise BackupError(
                f"{where} cannot be {what}: {reason.get('Code')}: {reason.get('Message')}.",
                "Check backup_s3, and what its credentials may do: list, get, put and delete objects.",
            ) from error
        except (BotoCoreError, S3UploadFailedError) as error:
            raise BackupError(
                f"{where} cannot be {what}: {error}.", "Check backup_s3.endpoint and the network."
            ) from error
