"""How fitted models of scikit-learn become ONNX, for the ONNX codec. Imported only to encode."""
