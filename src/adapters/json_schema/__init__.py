"""The rules for records, as JSON Schema."""
