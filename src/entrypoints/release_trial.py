"""The process in which a release is tried: ``python -m weighbridge.entrypoints.release_trial SECONDS BYTES``.

Reads a line of JSON about the release and then the model's bytes from standard input. The last line that it writes
is ``ok``, or the name and the text of an error.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.domain.model.codec import ModelCodec

#: The largest file that it may write, which is its answer.
_MOST_WRITTEN = 1 << 20


def main() -> None:
    """Set the limits, then try the release."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    _limit(seconds, memory)
    about = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    try:
        said = _try(about, data)
    except MemoryError:
        said = "failure needed more memory than it may take"
    sys.stdout.write(f"\n{said}\n")
    sys.stdout.flush()
    # Without the destructors of what was built.
    os._exit(0 if said == "ok" else 4)


def _try(about: dict[str, Any], data: bytes) -> str:
    from weighbridge.domain.errors import ModelError
    from weighbridge.domain.model.predictor import columns_of_rows
    from weighbridge.domain.registry.loading import decode_release
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion, Release

    record = Record.from_dict(about["record"])
    release = Release(ModelVersion.parse(about["task"], about["version"]), record, about["record"])
    try:
        predictor = decode_release(release, data, [_codec(record.model.format)])
        rows = [record.schema.admit_row(row.inputs) for row in record.golden]
        if rows:
            # As batches are asked, which may be another way.
            predictor.predict(columns_of_rows(rows))
    except ModelError as error:
        return f"{type(error).__name__} {' '.join(str(error).split())}"
    return "ok"


def _codec(model_format: str) -> ModelCodec:
    if model_format == "skops":
        from weighbridge.adapters.skops.codec import SkopsCodec

        return SkopsCodec()
    from weighbridge.adapters.onnx.codec import OnnxCodec

    return OnnxCodec()


def _limit(seconds: float, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's limit of time is all there is
        return
    whole = max(1, int(seconds))
    for what, limit in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, whole),
        (resource.RLIMIT_FSIZE, _MOST_WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (limit, limit))
    # One processor, and not the same for every trial.
    with suppress(AttributeError, OSError):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})
    # When the machine runs out of memory, this process goes first.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
