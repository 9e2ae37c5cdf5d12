"""Corrections of moto's S3."""
