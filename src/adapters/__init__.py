"""One module per vendor, each implementing a port of the domain; adapters never import each other."""
