"""Keys of partitions."""


def split_key(key: str) -> tuple[str, str]:
    """Return horizon and model of a partition key such as ``21d|ridge``."""
    horizon, _, model = key.partition("|")
    return horizon, model
