"""The service that the benchmark compares with, written the way the article does it.

A synchronous FastAPI route with request and response models, over scikit-learn's tree on a NumPy array. It is
run by plain uvicorn: ``python article_service.py PORT DATASET.csv``.
"""

import sys

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sklearn.tree import DecisionTreeRegressor

PRODUCT_CODES = {"SKU001": 0, "SKU002": 1, "SKU003": 2, "SKU004": 3, "SKU005": 4}

app = FastAPI(debug=False)


class FeatureDataInstance(BaseModel):
    product_code: str
    orders_placed: int = Field(ge=0)


class Prediction(BaseModel):
    est_hours_to_dispatch: float
    model_version: str


def prepare(products: "pd.Series[str]", orders: "pd.Series[int]") -> np.ndarray:
    return np.column_stack([orders, products.map(PRODUCT_CODES)])


@app.post("/api/v0.1/time_to_dispatch", status_code=200, response_model=Prediction)
def time_to_dispatch(features: FeatureDataInstance) -> dict[str, float | str]:
    """Predict one row."""
    x = np.array([[features.orders_placed, PRODUCT_CODES[features.product_code]]])
    return {"est_hours_to_dispatch": app.state.model.predict(x)[0], "model_version": "time_to_dispatch/1"}


if __name__ == "__main__":
    dataset = pd.read_csv(sys.argv[2])
    app.state.model = DecisionTreeRegressor(max_depth=8, min_samples_leaf=2).fit(
        prepare(dataset["product_code"], dataset["orders_placed"]), dataset["hours_to_dispatch"]
    )
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="h11", loop="asyncio")
