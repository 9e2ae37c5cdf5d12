"""Reverse geocoding by the function itself, with the places of GeoNames: the nearest place, in every account."""

from __future__ import annotations

from .parts import PartsJob


class GazetteerInParts(PartsJob):
    """The nearest place of the gazetteer that is packed with the function."""

    name = "reverse_geocoding"
    provider = "gazetteer"
    packages = ("geopipe_gazetteer",)
    welcome = """This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline. The pipeline uses AWS Lambda functions and Amazon SQS queues, and finds the
nearest place for each point of an input file, with the gazetteer of GeoNames."""
