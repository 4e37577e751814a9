"""Amazon S3, and stores that speak its protocol: limits, retries and errors in one place.

Nothing is listed from a cache, and no request waits without end. What a store refuses for good
is one sentence that names the object and the remedy.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError
from fsspec import AbstractFileSystem
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem
from s3fs.core import S3_RETRYABLE_ERRORS
from upath.implementations.cloud import S3Path

from model2_assets.errors import StoreError, one_line
from model2_assets.storage.files import ObjectStoreError

CONFIG: Mapping[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 20,
    "retries": {"mode": "standard", "total_max_attempts": 5},
}
"""Settings of botocore's client: seconds, and requests of which the last has to succeed."""

_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict", "409", "412")

_CREDENTIALS = (
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
)
_REGION = "set AWS_DEFAULT_REGION to the region of the bucket"
_REMEDIES = (
    (("NoCredentials", "PartialCredentials", "InvalidAccessKeyId", "Signature"), _CREDENTIALS),
    (("Expired", "InvalidToken", "TokenRetrieval", "SSOToken"), "renew the credentials"),
    (
        ("AccessDenied", "403", "AllAccessDisabled"),
        "give the credentials the permissions that docs/object_storage.md lists",
    ),
    (("NoSuchBucket", "InvalidBucketName", "ParamValidation"), "correct MODEL2_STORAGE"),
    (("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "NoRegion"), _REGION),
    (
        ("SlowDown", "503", "ServiceUnavailable", "Throttl", "RequestLimit", "TooMany"),
        "the store limits requests: run fewer partitions at once, or wait",
    ),
    (
        ("EndpointConnection", "ConnectTimeout", "ConnectionClosed", "HTTPClient", "SSL"),
        "see that the network and AWS_ENDPOINT_URL lead to the store",
    ),
    (("ReadTimeout", "RequestTimeout", "500", "InternalError"), "see that the store is well"),
    (("RequestTimeTooSkewed",), "set the clock of this machine"),
)
"""What helps, by what the code of an answer, or the name of an error, contains."""


class ObjectStore(S3FileSystem):  # type: ignore[misc]
    """The file system of s3fs, with conditional writes and errors in one sentence."""

    retries = 2  # of the requests that botocore has given up, and of bodies that broke off

    async def _call_s3(self, method: str, *akwargs: Any, **kwargs: Any) -> Any:
        with _telling("/".join(kwargs[part] for part in ("Bucket", "Key") if part in kwargs)):
            return await super()._call_s3(method, *akwargs, **kwargs)

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        with _telling(path):  # of a body that breaks off again and again
            data: bytes = await super()._cat_file(path, *args, **kwargs)
            return data

    async def _fetch(self, path: str) -> tuple[bytes, str, datetime]:
        bucket, key, _ = self.split_path(path)
        for left in reversed(range(self.retries)):
            try:
                with _telling(path):
                    found = await self._call_s3("get_object", Bucket=bucket, Key=key)
                    async with found["Body"] as body:
                        data = await body.read()
                break
            except ObjectStoreError as error:
                if not (left and isinstance(error.__cause__, S3_RETRYABLE_ERRORS)):
                    raise
        date = found["ResponseMetadata"]["HTTPHeaders"]["date"]
        return data, found["ETag"], parsedate_to_datetime(date)

    fetch = sync_wrapper(_fetch)
    """Return an object's content, its ETag, and the time by the clock of the store."""

    def replace(self, path: str, data: bytes, *, etag: str | None) -> bool:
        """Write an object if its ETag is this one, or if there is none, and tell whether it was.

        False where another write came first; that may have been this one, if the store did it
        and its answer was lost.
        """
        condition = {"mode": "create"} if etag is None else {"IfMatch": etag}
        try:
            self.pipe_file(path, data, **condition)
        except (FileExistsError, FileNotFoundError):
            return False
        except OSError as error:
            if _code(error) not in _CONFLICTS:
                raise
            return False
        return True

    def clear_uploads(self, prefix: str, before: datetime) -> int:
        """Clear what was uploaded in part of large objects; return how many uploads there were."""
        bucket, key, _ = self.split_path(prefix)
        found = self.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
        old = [each for each in found.get("Uploads", ()) if each["Initiated"] < before]
        for each in old:
            self.abort_mpu(bucket, each["Key"], each["UploadId"])
        return len(old)


class ObjectPath(S3Path):
    """A path in an `ObjectStore`."""

    __slots__ = ()

    def __new__(cls, *_args: Any, **_options: Any) -> "ObjectPath":
        """Make no other class of it, as UPath does by the protocol."""
        return object.__new__(cls)

    @classmethod
    def _fs_factory(
        cls, _url: str, _protocol: str, options: Mapping[str, Any]
    ) -> AbstractFileSystem:
        return ObjectStore(use_listings_cache=False, config_kwargs=dict(CONFIG), **options)


def _code(error: BaseException) -> str:
    """Return the code of an answer, or the name of an error that is none."""
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(answer["Error"].get("Code", "")) if answer else type(error).__name__


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Have errors become one sentence, but those that say whether an object is there."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, BotoCoreError, *S3_RETRYABLE_ERRORS) as error:
        code = _code(error)
        is_answer = isinstance(error, FileNotFoundError | FileExistsError) or code in _CONFLICTS
        if is_answer and code != "NoSuchBucket":
            raise
        fitting = (said for parts, said in _REMEDIES if any(part in code for part in parts))
        raise ObjectStoreError(
            f"s3://{where}: {one_line(str(error)).rstrip('.') or 'no answer'} ({code}); "
            f"{next(fitting, 'mend the cause')}, then run again: the last good result stays",
            code,
        ) from error
