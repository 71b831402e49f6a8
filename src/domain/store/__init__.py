"""Keys, artefacts and the store that holds them."""
