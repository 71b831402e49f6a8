"""Models as ONNX: encoding, decoding and predicting."""
