"""The descriptor sets that the user names, read into one schema."""

from __future__ import annotations

from pathlib import Path

from rama_proxy.config import Options
from rama_proxy.content.protobuf_schema import Schema, parse_descriptors
from rama_proxy.errors import ConfigError


def read_schema(options: Options) -> Schema | None:
    """What the files of `protobuf_descriptors` say, None without any; a later one counts more.

    Raises ConfigError that names the file and what is wrong with it.
    """
    if not options.protobuf_descriptors:
        return None
    schema = Schema()
    for name in options.protobuf_descriptors:
        try:
            schema.update(parse_descriptors(Path(name).read_bytes()))
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"cannot use {name} as a descriptor set: {error}") from error
    return schema
