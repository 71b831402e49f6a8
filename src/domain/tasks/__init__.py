"""The tasks that ship with Weighbridge."""
