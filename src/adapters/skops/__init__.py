"""Models as skops files: encoding, decoding and predicting."""
