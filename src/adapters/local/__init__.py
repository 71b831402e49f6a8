"""Stores and files in local folders."""
