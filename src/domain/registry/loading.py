"""Decoding the model of a release, and verifying it by its golden rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError, IncompatibleModel, ModelUnreadable
from weighbridge.domain.model.parity import Parity, compare, compare_classes

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion, Release
    from weighbridge.domain.registry.trial import ReleaseTrial
from weighbridge.domain.model.predictor import Predictor, columns_of_rows

#: How the predictions for rows compare with those that are expected.
_Measure: TypeAlias = "Callable[[Predictor, Sequence[Row]], Parity]"


def check_release(
    registry: ModelRegistry,
    version: ModelVersion,
    codecs: Sequence[ModelCodec],
    trial: ReleaseTrial | None = None,
) -> Release:
    """Read a release whole: its record, its bytes against their digest, and its predictions for the golden rows.

    Args:
        registry: where it is.
        version: whose release.
        codecs: the formats that can be read.
        trial: where its model is tried; None for this process.

    Raises:
        UnknownVersion: there is none.
        RegistryError: its record cannot be read.
        ModelUnreadable, IncompatibleModel: it fails verification.
    """
    release = registry.read(version)
    data = registry.fetch(release)
    if trial is None:
        decode_release(release, data, codecs)
    else:
        trial.run(release, data)
    return release


def decode_release(
    release: Release, data: bytes, codecs: Sequence[ModelCodec], trial: ReleaseTrial | None = None
) -> Predictor:
    """The predictor in the bytes of a release, whose predictions for the golden rows are verified.

    Args:
        release: whose model it is.
        data: its bytes.
        codecs: the formats that can be read.
        trial: where the release is tried first, unless its model is plain data; None for nowhere.

    Raises:
        ModelUnreadable, IncompatibleModel: it fails verification.
    """
    record = release.record
    codec = next((codec for codec in codecs if codec.format == record.model.format), None)
    if codec is None:
        known = ", ".join(codec.format for codec in codecs)
        raise ModelUnreadable(f"{release.version} has the format {record.model.format}; readable are {known}")
    if trial is not None and not codec.is_plain(data):
        trial.run(release, data)
    predictor = codec.decode(data, record.schema)
    _try_golden_rows(predictor, release)
    return predictor


def _try_golden_rows(predictor: Predictor, release: Release) -> None:
    record = release.record
    target = record.schema.target
    try:
        rows = [record.schema.admit_row(row.inputs) for row in record.golden]
        measure = _by_class(record, target) if isinstance(target, Category) else _by_number(record)
    except (DataError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise IncompatibleModel(
            f"{release.version} has golden rows that are not of its schema: {error}"
        ) from error
    if not rows:
        raise IncompatibleModel(f"{release.version} has no golden rows: what it predicts cannot be verified")
    parity = measure(predictor, rows)
    if not parity.holds:
        raise IncompatibleModel(
            f"{release.version} fails its golden rows: off by {parity.max_difference:.3g}, "
            f"allowed is {parity.tolerance:g}"
        )


def _by_number(record: Record) -> _Measure:
    expected = [float(row.prediction) for row in record.golden]
    # Row by row, as requests come.
    return lambda predictor, rows: compare(expected, cast("list[float]", predictor.predict_rows(rows)))


def _by_class(record: Record, target: Category) -> _Measure:
    import numpy as np

    expected = np.array([row.prediction for row in record.golden], dtype=object)
    likely = np.array(
        [[(row.probabilities or {})[level] for level in target.levels] for row in record.golden], dtype=np.float64
    )
    return lambda predictor, rows: compare_classes(
        expected,
        likely,
        np.array(predictor.predict_rows(rows), dtype=object),
        predictor.predict_proba(columns_of_rows(rows)),
    )
