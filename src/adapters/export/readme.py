"""The README of an export."""

from __future__ import annotations

import json

from weighbridge.domain.data.schema import Value
from weighbridge.domain.registry.releases import Release

_README_ONNX = """```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
rows = {inputs}
feed = {{
    each.name: np.array(
        [[row[each.name]] for row in rows], np.float64 if each.type == "tensor(double)" else object
    )
    for each in session.get_inputs()
}}
print(session.run(None, feed)[0].ravel().tolist())
```
"""

_README_SKOPS = """The file holds scikit-learn objects as data. Only the types that are named are built.

```python
import json

import pandas as pd
import skops.io

with open("trusted_types.json") as file:
    model = skops.io.load("model.skops", trusted=json.load(file))
rows = pd.DataFrame({inputs})
print(model.predict(rows).tolist())
```
"""


def readme(release: Release) -> str:
    """How to load and call the model of a release, in Markdown."""
    record = release.record
    rows: list[dict[str, Value]] = [dict(row.inputs) for row in record.golden[:2]]
    how = _README_ONNX if record.model.format == "onnx" else _README_SKOPS
    expected = ", ".join(str(row.prediction) for row in record.golden[:2])
    return (
        f"# {release.version.qualified}\n\n"
        f"A model that Weighbridge released. It predicts `{record.schema.prediction}` from "
        f"{', '.join(f'`{name}`' for name in record.schema.feature_names)}.\n\n"
        f"- `model.{record.model.format}`: the model; its sha256 is `{record.model.sha256}`.\n"
        "- `record.json`: the release record: data, parameters, metrics, checks, libraries.\n"
        "- `requirements.txt`: what loading it needs, in the versions that it was made with.\n\n"
        f"## Load it\n\n{how.format(inputs=json.dumps(rows, ensure_ascii=False))}\n"
        f"That answers {expected}: rows of the record's `golden`, with the predictions of the fitted model.\n"
    )
