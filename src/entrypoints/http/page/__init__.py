"""The page for people: what is live, what was weighed, a form to try the model, and what the service does now."""
