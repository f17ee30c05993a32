"""A FastAPI model service that streams its inference log to Driftline.

    DRIFTLINE_URL=http://127.0.0.1:8080 uvicorn app:app

Without DRIFTLINE_URL it logs nothing. DRIFTLINE_TOKEN is sent as bearer token, where Driftline has tokens.
"""

import logging
import os
import time
import uuid
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

from driftline_log import DriftlineLog
from model import Model

MODEL_NAME = "churn-fastapi"
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


class Customer(BaseModel):
    age: float
    tenure_months: float
    monthly_charges: float
    support_calls: int
    plan: str


class Answer(BaseModel):
    prediction_id: str  # Callers keep it: the label is sent with it, once it is known.
    label: str
    score: float


@asynccontextmanager
async def lifespan(app):
    app.state.model = Model()
    app.state.log = None
    if url := os.environ.get("DRIFTLINE_URL"):
        app.state.log = DriftlineLog(url, token=os.environ.get("DRIFTLINE_TOKEN"))
        app.state.log.start()
    yield
    if app.state.log:
        app.state.log.close()


app = FastAPI(lifespan=lifespan)


def log_prediction(prediction_id, customer, latency_ms, status, prediction=None):
    """Hands a prediction to the log; it costs the request some microseconds."""
    if app.state.log:
        app.state.log.log(
            {
                "model": MODEL_NAME,
                "version": app.state.model.version,
                "prediction_id": prediction_id,
                "timestamp": time.time_ns() // 1_000_000,
                "features": customer,
                "prediction": prediction,
                "latency_ms": latency_ms,
                "status": status,
            }
        )


@app.post("/predict")
async def predict(customer: Customer) -> Answer:
    # A model of a millisecond runs here; a slow one belongs into a thread (`def` in place of `async def`).
    prediction_id = uuid.uuid4().hex
    features = customer.model_dump()
    started = time.perf_counter()
    try:
        score = app.state.model.score(features)
    except Exception:
        log_prediction(prediction_id, features, (time.perf_counter() - started) * 1000.0, "error")
        raise
    latency_ms = (time.perf_counter() - started) * 1000.0
    label = "yes" if score >= 0.5 else "no"
    log_prediction(prediction_id, features, latency_ms, "ok", {"label": label, "score": score})
    return Answer(prediction_id=prediction_id, label=label, score=score)


@app.get("/healthz")
async def healthz():
    return {"status": "ok", "log": app.state.log.stats() if app.state.log else None}
