"""Stores and files in S3, by boto3."""
