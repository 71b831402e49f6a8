"""What the authors of adapters test them with. Needs pytest and Hypothesis; nothing that runs imports it."""
