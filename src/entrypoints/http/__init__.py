"""The HTTP service: routes, request models and problem documents over the domain's PredictionService."""
