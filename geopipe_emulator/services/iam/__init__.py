"""Corrections of moto's IAM."""
